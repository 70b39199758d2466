//! Powers of two and logarithms to base two, to the bit what Go's `math` computes.

const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
const BITS_OF_FRACTION: u32 = 52;

/// `fraction * 2^exponent`, rounded once; the fraction is 0 or of normal size.
pub(super) fn ldexp(fraction: f64, exponent: i64) -> f64 {
    let bits = fraction.to_bits();
    let own = i64::try_from(bits >> BITS_OF_FRACTION & 0x7ff).unwrap_or(0);
    if own > 0 && (1..=2046).contains(&(own + exponent)) {
        let moved = exponent.unsigned_abs() << BITS_OF_FRACTION;
        return f64::from_bits(if exponent < 0 {
            bits - moved
        } else {
            bits + moved
        });
    }
    if exponent > 0 {
        fraction * power(1023) * power(exponent - 1023)
    } else {
        fraction * power(-900) * power(exponent + 900)
    }
}

/// A power of two, of normal size.
fn power(exponent: i64) -> f64 {
    f64::from_bits((exponent.clamp(-1022, 1023) + 1023).unsigned_abs() << BITS_OF_FRACTION)
}

/// A number as a fraction in `[1/2, 1)` and an exponent.
fn frexp(value: f64) -> (f64, i64) {
    let (value, shift) = if value.abs() < f64::MIN_POSITIVE {
        (value * power(52), -52)
    } else {
        (value, 0)
    };
    let bits = value.to_bits();
    let exponent = i64::try_from(bits >> BITS_OF_FRACTION & 0x7ff).unwrap_or(0) - 1022;
    let fraction = f64::from_bits(bits & !(0x7ff << BITS_OF_FRACTION) | 1022 << BITS_OF_FRACTION);
    (fraction, exponent + shift)
}

/// The logarithm to base two.
pub(super) fn log2(value: f64) -> f64 {
    if !(value > 0.0 && value.is_finite()) {
        return value.ln();
    }
    let (fraction, exponent) = frexp(value);
    if fraction == 0.5 {
        return (exponent - 1) as f64;
    }
    ln(fraction) * std::f64::consts::LOG2_E + exponent as f64
}

/// The natural logarithm of a number in `[1/2, 1)`, by the polynomial of FreeBSD's `e_log.c`.
fn ln(value: f64) -> f64 {
    let (fraction, exponent) = if value < std::f64::consts::FRAC_1_SQRT_2 {
        (value * 2.0, -1.0)
    } else {
        (value, 0.0)
    };
    let f = fraction - 1.0;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let odd = s2
        * (0.666_666_666_666_673_5
            + s4 * (0.285_714_287_436_623_9
                + s4 * (0.181_835_721_616_180_5 + s4 * 0.147_981_986_051_165_86)));
    let even = s4
        * (0.399_999_999_994_094_2
            + s4 * (0.222_221_984_321_497_84 + s4 * 0.153_138_376_992_093_73));
    let half = 0.5 * f * f;
    exponent * LN2_HIGH - ((half - (s * (half + (odd + even)) + exponent * LN2_LOW)) - f)
}

/// Two to the power of a number.
pub(super) fn exp2(value: f64) -> f64 {
    if value.is_nan() {
        return value;
    }
    if value > 1_023.999_999_999_999_9 {
        return f64::INFINITY;
    }
    if value < -1074.0 {
        return 0.0;
    }
    let whole = (value + 0.5f64.copysign(value)).trunc();
    let rest = value - whole;
    let high = rest * LN2_HIGH;
    let low = -rest * LN2_LOW;
    let r = high - low;
    let t = r * r;
    let c = r - t
        * (0.166_666_666_666_666_66
            + t * (-0.002_777_777_777_701_559_3
                + t * (6.613_756_321_437_934e-5
                    + t * (-1.653_390_220_546_525_2e-6 + t * 4.138_136_797_057_238_5e-8))));
    let y = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number between -1075 and 1024"
    )]
    let exponent = whole as i64;
    ldexp(y, exponent)
}
