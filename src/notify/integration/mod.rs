//! Each integration as pure functions: data → request, response → verdict or the next request.

mod conversation;
mod dingtalk;
mod dingtalk_app;
mod dingtalk_robot;
mod discord;
mod dispatch;
mod errcode;
mod form;
mod harness;
mod incidentio;
mod mail;
mod mattermost;
mod msteams;
mod msteamsv2;
mod opsgenie;
mod opsgenie_alert;
mod pagerduty;
mod pagerduty_details;
mod payload;
mod people;
mod post;
mod pushover;
mod rocketchat;
mod slack;
mod slack_message;
mod status;
mod telegram;
mod vendor;
mod victorops;
mod webex;
mod webhook;
mod wire;

pub use conversation::{Answer, Begun, Context, Conversation, Step, Token, TokenRequest};
pub use dispatch::{begin, files};
pub use mail::{MailLogin, MailOutcome, MailRequest};
pub use wire::{FileContents, HttpRequest, HttpResponse, TransportError};
