//! One declaration per section of the file: its fields, their keys, defaults and notation.
//!
//! `section!` makes of it the struct, its defaults, and how it is read and printed, so that a key stands in one place.
//! What the fields must fulfil together is a function beside the declaration, named after `check`; what is said of keys that it does not have, after `unknown`.

/// Declares sections: `field ["key"]: Type [as Codec] [= default]`. Without a key the field's name is the key, `"*"`
/// takes the keys of an inline section; without a codec the type is its own.
macro_rules! section {
    (@default $default:expr) => { $default.into() };
    (@default) => { Default::default() };
    (@key $field:ident $key:literal) => { $key };
    (@key $field:ident) => { stringify!($field) };
    (@codec $ty:ty, $codec:ty) => { $codec };
    (@codec $ty:ty) => { $ty };
    ($(
        $(#[$doc:meta])*
        $vis:vis $name:ident in $go:literal $(, check $check:path)? $(, unknown $unknown:path)? {
            $($(#[$field_doc:meta])* $field:ident $([$key:literal])? : $ty:ty $(as $codec:ty)? $(= $default:expr)?,)*
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $name {
            $($(#[$field_doc])* $vis $field: $ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: section!(@default $($default)?),)* }
            }
        }

        impl $crate::config::read::Section for $name {
            const GO: &'static str = $go;

            fn keys() -> Vec<&'static str> {
                let mut keys = Vec::new();
                $(match section!(@key $field $($key)?) {
                    "*" => keys.extend(
                        <section!(@codec $ty $(, $codec)?) as $crate::config::read::Codec>::inline_keys(),
                    ),
                    key => keys.push(key),
                })*
                keys
            }

            fn read_key(
                &mut self,
                key: &str,
                node: $crate::config::read::Cursor<'_>,
                reader: &mut $crate::config::read::Reader<'_>,
            ) -> bool {
                $(
                    if section!(@key $field $($key)?) == "*" {
                        if <section!(@codec $ty $(, $codec)?) as $crate::config::read::Codec>::read_inline(
                            &mut self.$field, key, node, reader,
                        ) {
                            return true;
                        }
                    } else if key == section!(@key $field $($key)?) {
                        if let Some(value) =
                            $crate::config::read::read::<section!(@codec $ty $(, $codec)?)>(node, reader)
                        {
                            self.$field = value;
                        }
                        return true;
                    }
                )*
                false
            }

            fn print_keys(&self, out: &mut Vec<($crate::yaml::Value, $crate::yaml::Value)>) {
                let default = Self::default();
                $($crate::config::read::print_key::<section!(@codec $ty $(, $codec)?)>(
                    section!(@key $field $($key)?), &self.$field, Some(&default.$field), out,
                );)*
            }

            fn add_secrets(&self, out: &mut Vec<$crate::config::Secret>) {
                $(<section!(@codec $ty $(, $codec)?) as $crate::config::read::Codec>::secrets(
                    &self.$field, out,
                );)*
            }

            $(fn check(
                &mut self,
                place: &$crate::config::read::Place,
                reader: &mut $crate::config::read::Reader<'_>,
            ) {
                $check(self, place, reader);
            })?

            $(fn unknown(
                key: &str,
                at: $crate::config::read::Position,
                reader: &mut $crate::config::read::Reader<'_>,
            ) {
                $unknown(key, at, reader);
            })?
        }
    )*};
}

pub(crate) use section;
