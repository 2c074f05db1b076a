//! Formats metrics for Prometheus in the text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use core::fmt::Write as _;

use super::gauge::{Gauge, Milli};
use super::histogram::Histogram;
use super::metric::{ALL, Kind, Metric};
use super::series::{SEPARATOR, Series};

/// Media type of the page.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Content of the page.
pub(crate) struct Page<'a> {
    /// Counters and histograms.
    pub series: &'a Series,
    /// Gauges.
    pub gauges: &'a [Gauge],
    /// Comment lines at the top.
    pub remarks: &'a [String],
}

impl Page<'_> {
    /// Formats the page.
    #[must_use]
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        for remark in self.remarks {
            let _ = writeln!(text, "# {remark}");
        }
        for metric in ALL {
            let begun = text.len();
            match metric.kind {
                Kind::Counter => {
                    // A counter must be present with 0, so that its first increase is visible.
                    if metric.labels.is_empty() && self.series.counters(metric.name).count() == 0 {
                        sample(&mut text, metric, metric.name, "", None, 0);
                    }
                    for (labels, by) in self.series.counters(metric.name) {
                        sample(&mut text, metric, metric.name, labels, None, by);
                    }
                }
                Kind::Histogram => {
                    for (labels, histogram) in self.series.histograms(metric.name) {
                        buckets(&mut text, metric, labels, histogram);
                    }
                }
                Kind::Gauge => {
                    for (name, labels, value) in self.gauges {
                        if *name == metric.name {
                            sample(&mut text, metric, metric.name, labels, None, value);
                        }
                    }
                }
            }
            if text.len() > begun {
                text.insert_str(begun, &head(metric));
            }
        }
        text
    }
}

fn head(metric: &Metric) -> String {
    let Metric { name, help, .. } = metric;
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

fn buckets(text: &mut String, metric: &Metric, labels: &str, histogram: &Histogram) {
    let name = metric.name;
    let mut so_far = 0;
    for (bound, count) in histogram.bounds().iter().zip(histogram.counts()) {
        so_far += count;
        let bound = Milli(u64::from(*bound)).to_string();
        sample(
            text,
            metric,
            &format!("{name}_bucket"),
            labels,
            Some(&bound),
            so_far,
        );
    }
    let count = histogram.count();
    sample(
        text,
        metric,
        &format!("{name}_bucket"),
        labels,
        Some("+Inf"),
        count,
    );
    sample(
        text,
        metric,
        &format!("{name}_sum"),
        labels,
        None,
        Milli(histogram.sum_ms),
    );
    sample(text, metric, &format!("{name}_count"), labels, None, count);
}

fn sample(
    text: &mut String,
    metric: &Metric,
    name: &str,
    labels: &str,
    bound: Option<&str>,
    value: impl core::fmt::Display,
) {
    text.push_str(name);
    let own = metric.labels.iter().copied().zip(labels.split(SEPARATOR));
    let all = own.chain(bound.map(|bound| ("le", bound)));
    let mut is_first = true;
    for (label, value) in all {
        text.push(if is_first { '{' } else { ',' });
        is_first = false;
        let _ = write!(text, "{label}=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    if !is_first {
        text.push('}');
    }
    let _ = writeln!(text, " {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metric;

    #[test]
    fn page_follows_the_exposition_format() {
        let mut series = Series::default();
        series.count(metric::REQUESTS, "ac\"me\\\tGET\t200", 3);
        series.count(metric::REQUESTS, "\tGET\t421", 1);
        series.count(metric::WRITES_LOST, "", 1);
        let mut histogram = Histogram::default();
        histogram.observe(2);
        histogram.observe(20_000);
        series.spread(metric::STORAGE_DURATION, "kv_read", &histogram);
        let page = Page {
            series: &series,
            gauges: &[(metric::ISOLATES, String::new(), Milli::of(2))],
            remarks: &["All isolates.".to_owned()],
        };
        let text = page.to_text();
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("HELP")).collect();
        assert_eq!(
            lines,
            [
                "# All isolates.",
                "# TYPE http_requests_total counter",
                "http_requests_total{tenant=\"\",method=\"GET\",status=\"421\"} 1",
                "http_requests_total{tenant=\"ac\\\"me\\\\\",method=\"GET\",status=\"200\"} 3",
                "# TYPE vestibule_storage_operation_duration_seconds histogram",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.001\"} 0",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.005\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.01\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.025\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.05\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.075\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.1\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.25\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.5\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"0.75\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"1\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"2.5\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"5\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"7.5\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"10\"} 1",
                "vestibule_storage_operation_duration_seconds_bucket{kind=\"kv_read\",le=\"+Inf\"} 2",
                "vestibule_storage_operation_duration_seconds_sum{kind=\"kv_read\"} 20.002",
                "vestibule_storage_operation_duration_seconds_count{kind=\"kv_read\"} 2",
                "# TYPE vestibule_writes_coalesced_total counter",
                "vestibule_writes_coalesced_total 0",
                "# TYPE vestibule_writes_lost_total counter",
                "vestibule_writes_lost_total 1",
                "# TYPE vestibule_telemetry_batches_total counter",
                "vestibule_telemetry_batches_total 0",
                "# TYPE vestibule_telemetry_batches_lost_total counter",
                "vestibule_telemetry_batches_lost_total 0",
                "# TYPE vestibule_telemetry_series_folded_total counter",
                "vestibule_telemetry_series_folded_total 0",
                "# TYPE vestibule_telemetry_lines_dropped_total counter",
                "vestibule_telemetry_lines_dropped_total 0",
                "# TYPE vestibule_telemetry_isolates gauge",
                "vestibule_telemetry_isolates 2",
            ]
        );
    }
}
