//! Character classes and escapes of RE2: which names there are and what they contain.

use super::ast::ClassItem;

/// Scripts of Unicode by their names in Go's `unicode.Scripts`. Properties of other kinds are no classes in Go.
const SCRIPTS: &str = "Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak \
    Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma \
    Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru \
    Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati \
    Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited \
    Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi \
    Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani \
    Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui \
    Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari \
    New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian \
    Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong \
    Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian \
    Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le \
    Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai \
    Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square";

/// General categories, short and long, as in Go's `unicode.Categories` and `unicode.CategoryAliases`.
const CATEGORIES: &str = "C Cc Cf Cn Co L LC Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm \
    So Z Zl Zp Zs Other Control cntrl Format Unassigned Private_Use Letter Cased_Letter Lowercase_Letter \
    Modifier_Letter Other_Letter Titlecase_Letter Uppercase_Letter Mark Combining_Mark Spacing_Mark Enclosing_Mark \
    Nonspacing_Mark Number Decimal_Number digit Letter_Number Other_Number Punctuation punct Connector_Punctuation \
    Dash_Punctuation Close_Punctuation Final_Punctuation Initial_Punctuation Other_Punctuation Open_Punctuation \
    Symbol Currency_Symbol Modifier_Symbol Math_Symbol Other_Symbol Separator Line_Separator Paragraph_Separator \
    Space_Separator";

const DIGIT: &[(char, char)] = &[('0', '9')];
const SPACE: &[(char, char)] = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// `\d \s \w` and their opposites; ASCII only.
pub(super) fn perl(letter: char) -> Option<ClassItem> {
    let ranges = match letter.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => SPACE,
        'w' => WORD,
        _ => return None,
    };
    Some(ClassItem::Ascii {
        ranges,
        negated: letter.is_ascii_uppercase(),
    })
}

/// `alpha` or `^alpha` from `[:alpha:]`.
pub(super) fn posix(name: &str) -> Option<ClassItem> {
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let ranges: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => DIGIT,
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some(ClassItem::Ascii { ranges, negated })
}

/// The class of `\p{name}`; names are compared without case, spaces, hyphens and underscores.
pub(super) fn unicode(name: &str, negated: bool) -> Option<ClassItem> {
    let canonical = |name: &str| -> String {
        name.chars()
            .filter(|c| !matches!(c, '_' | '-' | ' '))
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    let wanted = canonical(name);
    let known = |list: &'static str| list.split(' ').find(|known| canonical(known) == wanted);
    let property = if matches!(&wanted[..], "any" | "ascii" | "assigned") {
        Some(wanted)
    } else if matches!(&wanted[..], "cs" | "surrogate") {
        None
    } else if let Some(category) = known(CATEGORIES) {
        Some(format!("gc={category}"))
    } else {
        Some(format!("sc={}", known(SCRIPTS)?))
    };
    Some(ClassItem::Unicode { property, negated })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_compiles() {
        for name in SCRIPTS
            .split(' ')
            .chain(CATEGORIES.split(' '))
            .chain(["Any", "Assigned", "ASCII", "Cs"])
        {
            let pattern = format!(r"\p{{{name}}}");
            super::super::compile(&pattern).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for name in ["Alphabetic", "Grek", "sc=Greek", "", "lu_x"] {
            assert_eq!(unicode(name, false), None, "{name}");
        }
    }
}
