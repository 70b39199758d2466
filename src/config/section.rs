//! One declaration per section of the file: its fields, their keys, defaults and notation.
//!
//! `section!` makes of it the public struct, its defaults, and how it is read and printed, so that a key stands in one
//! place. What the fields must fulfil together is checked by hand where the section is declared.

/// Declares sections: `field ["key"]: Type [as Codec] [= default]`. Without a key the field's name is the key; without a
/// codec the type is its own.
macro_rules! section {
    ($(
        $(#[$doc:meta])*
        $name:ident in $go:literal {
            $($(#[$field_doc:meta])* $field:ident $([$key:literal])? : $ty:ty $(as $codec:ty)? $(= $default:expr)?,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: section!(@default $($default)?),)* }
            }
        }
    )*};
    (@default $default:expr) => { $default.into() };
    (@default) => { Default::default() };
}

pub(crate) use section;
