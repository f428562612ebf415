use super::*;
use proptest::prelude::*;

fn canonical(text: &str) -> String {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

#[test]
fn quantities_print_in_canonical_form() {
    let rows = [
        ("0", "0"),
        ("0n", "0"),
        ("0.0", "0"),
        ("-0", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("01", "1"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.5", "1500m"),
        ("0.001", "1m"),
        ("100m", "100m"),
        ("1500m", "1500m"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1e-3", "1e-3"),
        ("1500e3", "1500e3"),
        ("10e4", "100e3"),
        ("1E", "1E"),
        ("1.2345G", "1234500k"),
        ("1k", "1k"),
        ("1000k", "1M"),
        ("1000000", "1M"),
        ("123456", "123456"),
        ("1Ki", "1Ki"),
        ("1024Ki", "1Mi"),
        ("1025Ki", "1025Ki"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1.1Ki", "1126400m"),
        ("1Mi", "1Mi"),
        ("2048Mi", "2Gi"),
        ("1Ei", "1Ei"),
        ("16Ei", "9223372036854775807"),
        ("-1Mi", "-1Mi"),
        ("-1.5", "-1500m"),
        ("-100m", "-100m"),
        ("0.0000000001", "1n"),
        ("1.0000000001", "1000000001n"),
        ("1u", "1u"),
        ("1000u", "1m"),
        ("100E", "100E"),
        ("1000P", "1E"),
        ("1.", "1"),
        ("0.1e-9", "1e-9"),
        ("500Ki", "500Ki"),
        ("1000Ki", "1000Ki"),
        ("1T", "1T"),
        ("0.000001Ki", "1024u"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775808"),
    ];
    for (text, expected) in rows {
        assert_eq!(canonical(text), expected, "{text}");
    }
}

#[test]
fn what_is_stored_is_canonical_save_for_what_upstream_keeps() {
    let rows = [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.500", "1.500"),
        ("01", "01"),
        ("1024Mi", "1Gi"),
        ("1025Mi", "1025Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.500", "500m"),
        ("5000", "5k"),
    ];
    for (text, expected) in rows {
        assert_eq!(Quantity::canonicalize(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_no_quantity_is_refused() {
    use QuantityError::{Form, Number, Suffix};
    let rows = [
        ("", Form),
        ("-", Form),
        ("x", Form),
        ("1x", Form),
        ("1.1.1", Form),
        (" 1", Form),
        ("1 ", Form),
        ("1Mix", Form),
        ("1mi", Suffix),
        ("1K", Suffix),
        ("1e", Suffix),
        ("1ee3", Suffix),
        ("1iM", Suffix),
        ("1e999999999999", Suffix),
        ("1e100", Number),
        ("99999999999999999999999999999999999999999", Number),
    ];
    for (text, expected) in rows {
        assert_eq!(Quantity::parse(text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn amounts_are_rounded_away_from_zero() {
    let parse = |text| Quantity::parse(text).unwrap();
    assert_eq!(parse("100m").milli(), 100);
    assert_eq!(parse("0.0001").milli(), 1);
    assert_eq!(parse("-0.0001").milli(), -1);
    assert_eq!(parse("1.1").value(), 2);
    assert_eq!(parse("1Gi").value(), 1 << 30);
    assert_eq!(parse("100E").value(), i64::MAX);
    assert!(parse("1Gi") > parse("1G"));
    assert_eq!(parse("1000m"), parse("1"));
}

#[test]
fn sums_keep_the_suffixes_of_the_first_that_is_not_zero() {
    let parse = |text| Quantity::parse(text).unwrap();
    assert_eq!((parse("1Gi") + parse("1Gi")).to_string(), "2Gi");
    assert_eq!((Quantity::ZERO + parse("512Mi")).to_string(), "512Mi");
    assert_eq!((parse("1") - parse("250m")).to_string(), "750m");
    assert_eq!([parse("100m"), parse("1")].into_iter().sum::<Quantity>().to_string(), "1100m");
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(mantissa in -1_000_000_000i64..1_000_000_000, decimals in 0usize..9, suffix in "|n|u|m|k|M|G|T|P|Ki|Mi|Gi|Ti|e3|e-2|E5") {
        let digits = format!("{:0>10}", mantissa.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let text = format!("{}{whole}.{fraction}{suffix}", if mantissa < 0 { "-" } else { "" });
        let quantity = Quantity::parse(&text).unwrap();
        let printed = quantity.to_string();
        prop_assert_eq!(Quantity::parse(&printed).unwrap(), quantity);
        prop_assert_eq!(canonical(&printed), printed, "printing what was printed changes nothing");
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[-+0-9.eEinumkKMGTPx ]{0,50}") {
        let _ = Quantity::parse(&text);
        let _ = Quantity::canonicalize(&text);
    }
}
