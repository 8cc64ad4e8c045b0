//! Quantiles out of the server's own metrics (Prometheus text, histograms with buckets).

/// The upper bound, in milliseconds, of the bucket in which a quantile of a histogram in seconds lies. `None` when
/// nothing was counted or the quantile lies above the last bound.
pub(crate) fn quantile_ms(text: &str, name: &str, share: f64) -> Option<f64> {
    let mut buckets: Vec<(f64, f64)> = text
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?.strip_prefix("_bucket{")?;
            let (labels, count) = rest.rsplit_once("} ")?;
            let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
            Some((bound, count.trim().parse().ok()?))
        })
        .collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (_, all) = *buckets.last().filter(|(_, all)| *all > 0.0)?;
    let (bound, _) = buckets.iter().find(|(_, count)| *count >= all * share)?;
    bound.is_finite().then_some(bound * 1000.0)
}

/// The sum of a counter's series that have all these labels, written as they stand in the text.
pub(crate) fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let series = text.lines().filter_map(|line| {
        let (found, count) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
        let has_all = labels.iter().all(|label| found.split(',').any(|one| one == *label));
        if has_all { count.trim().parse::<f64>().ok() } else { None }
    });
    series.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_takes_the_series_that_have_the_labels() {
        let text = "x_total{a=\"1\",b=\"2\"} 3\nx_total{a=\"1\",b=\"3\"} 4\nx_totals{a=\"1\"} 9\n";
        assert_eq!(sum(text, "x_total", &["a=\"1\""]), 7.0);
        assert_eq!(sum(text, "x_total", &["b=\"3\"", "a=\"1\""]), 4.0);
        assert_eq!(sum(text, "y_total", &[]), 0.0);
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let text = "# TYPE x_seconds histogram\nx_seconds_bucket{le=\"0.001\"} 98\nx_seconds_bucket{le=\"0.005\"} 99\n\
                    x_seconds_bucket{le=\"+Inf\"} 100\nx_seconds_sum 1\nx_seconds_count 100\n";
        assert_eq!(quantile_ms(text, "x_seconds", 0.5), Some(1.0));
        assert_eq!(quantile_ms(text, "x_seconds", 0.99), Some(5.0));
        assert_eq!(quantile_ms(text, "x_seconds", 1.0), None);
        assert_eq!(quantile_ms(text, "y_seconds", 0.5), None);
    }
}
