//! The metrics registry and its text form (Prometheus text exposition format 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aerolith_plan::InstanceId;
use aerolith_plugin_wire::host::{Metric, MetricKind};

/// Series that one plugin instance may have, so that a label holding a counter cannot fill the memory.
const MOST_SERIES: usize = 2_000;
/// The label of the node's own series that names an instance.
pub(crate) const INSTANCE_ID: &str = "instance_id";
/// Names beginning so are the node's own.
const OWN: &str = "aerolith_";

type Labels = BTreeMap<String, String>;

/// Everything measured on the node. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    families: BTreeMap<String, Family>,
    series_of: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Family {
    counter: bool,
    series: BTreeMap<Labels, f64>,
}

/// A reading that is refused; nothing changes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// No metric name.
    #[error("`{0}` is no metric name: [a-zA-Z_][a-zA-Z0-9_]*, and not beginning with `aerolith_`")]
    Name(String),
    /// No label name.
    #[error(
        "metric `{metric}`: `{label}` is no label name: [a-zA-Z_][a-zA-Z0-9_]*, not `plugin`, `instance` or `__...`"
    )]
    Label {
        /// The metric.
        metric: String,
        /// The label.
        label: String,
    },
    /// A gauge reported as a counter, or the other way round.
    #[error("metric `{0}` is known as another kind: a name is a gauge everywhere or a counter everywhere")]
    Kind(String),
    /// A counter that would fall.
    #[error("counter `{metric}`: cannot add {value}; add a finite number of at least 0")]
    Falling {
        /// The metric.
        metric: String,
        /// What was to be added.
        value: f64,
    },
    /// Too many series.
    #[error(
        "metric `{0}`: its plugin instance has {MOST_SERIES} series already; take the label that always changes away"
    )]
    TooMany(String),
}

impl Metrics {
    /// Takes a reading of a plugin's instance; the labels `plugin` and `instance` are added.
    ///
    /// # Errors
    /// [`MetricError`] says which rule the reading breaks.
    pub fn record(&self, plugin: &str, instance: &str, metric: &Metric) -> Result<(), MetricError> {
        if !is_name(&metric.name) || metric.name.starts_with(OWN) {
            return Err(MetricError::Name(metric.name.clone()));
        }
        let reserved = |label: &str| matches!(label, "plugin" | "instance") || label.starts_with("__");
        if let Some(label) = metric.labels.keys().find(|label| !is_name(label) || reserved(label)) {
            return Err(MetricError::Label {
                metric: metric.name.clone(),
                label: label.clone(),
            });
        }
        let mut labels = metric.labels.clone();
        labels.insert("plugin".into(), plugin.into());
        labels.insert("instance".into(), instance.into());
        self.lock().take(
            instance,
            &metric.name,
            metric.kind == MetricKind::Counter,
            labels,
            metric.value,
        )
    }

    /// Adds to a counter of the node's own; its name begins with `aerolith_`.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        if let Err(error) = self.lock().take("", name, true, labels, 1.0) {
            tracing::error!(%error, "a metric of the node was lost");
        }
    }

    /// Removes every series that the node itself has of an instance.
    pub(crate) fn forget_own(&self, instance: &InstanceId) {
        let id = instance.to_string();
        let mut registry = self.lock();
        let mut left = 0;
        for family in registry.families.values_mut() {
            let is_own = |labels: &Labels| !labels.contains_key("plugin");
            let is_of_it = |labels: &Labels| labels.get(INSTANCE_ID) == Some(&id);
            family.series.retain(|labels, _| !(is_own(labels) && is_of_it(labels)));
            left += family.series.keys().filter(|labels| is_own(labels)).count();
        }
        registry.families.retain(|_, family| !family.series.is_empty());
        registry.series_of.insert(String::new(), left);
    }

    /// Removes every series of a plugin's instance.
    pub fn forget(&self, instance: &str) {
        let mut registry = self.lock();
        for family in registry.families.values_mut() {
            family.series.retain(|labels, _| {
                !labels.contains_key("plugin") || labels.get("instance").is_none_or(|i| i != instance)
            });
        }
        registry.families.retain(|_, family| !family.series.is_empty());
        registry.series_of.remove(instance);
    }

    /// Everything, in the Prometheus text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, family) in &self.lock().families {
            family.write(name, &mut text);
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn take(&mut self, owner: &str, name: &str, counter: bool, labels: Labels, value: f64) -> Result<(), MetricError> {
        if counter && !(value >= 0.0 && value.is_finite()) {
            return Err(MetricError::Falling {
                metric: name.into(),
                value,
            });
        }
        if self.families.get(name).is_some_and(|family| family.counter != counter) {
            return Err(MetricError::Kind(name.into()));
        }
        if !self
            .families
            .get(name)
            .is_some_and(|family| family.series.contains_key(&labels))
        {
            let count = self.series_of.entry(owner.into()).or_default();
            if *count >= MOST_SERIES {
                return Err(MetricError::TooMany(name.into()));
            }
            *count += 1;
        }
        let family = self.families.entry(name.into()).or_insert(Family {
            counter,
            series: BTreeMap::new(),
        });
        let reading = family.series.entry(labels).or_default();
        *reading = if counter { *reading + value } else { value };
        Ok(())
    }
}

impl Family {
    fn write(&self, name: &str, text: &mut String) {
        let kind = if self.counter { "counter" } else { "gauge" };
        // Writing into a string cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for (labels, value) in &self.series {
            let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            let _ = writeln!(text, "{name}{labels} {}", number(*value));
        }
    }
}

fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(first) && text.chars().all(|c| first(c) || c.is_ascii_digit())
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        value => value.to_string(),
    }
}

/// Adds one gauge of the node's own to a text; every sample is a list of labels and a value.
pub(crate) fn gauge(text: &mut String, name: &str, samples: &[(Vec<(&str, String)>, f64)]) {
    let series = samples.iter().map(|(labels, value)| {
        (
            labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect::<Labels>(),
            *value,
        )
    });
    let family = Family {
        counter: false,
        series: series.collect(),
    };
    if !family.series.is_empty() {
        family.write(name, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, kind: MetricKind, value: f64) -> Metric {
        Metric {
            name: name.into(),
            kind,
            value,
            labels: BTreeMap::from([("card".into(), "0".into())]),
        }
    }

    #[test]
    fn gauges_are_replaced_and_counters_add_up() {
        let metrics = Metrics::default();
        for value in [1.0, 2.5] {
            metrics
                .record("p", "p-1", &metric("temperature", MetricKind::Gauge, value))
                .unwrap();
            metrics
                .record("p", "p-1", &metric("frames_total", MetricKind::Counter, value))
                .unwrap();
        }
        let text = metrics.text();
        assert_eq!(
            text,
            "# TYPE frames_total counter\nframes_total{card=\"0\",instance=\"p-1\",plugin=\"p\"} 3.5\n\
             # TYPE temperature gauge\ntemperature{card=\"0\",instance=\"p-1\",plugin=\"p\"} 2.5\n"
        );
    }

    #[test]
    fn label_values_are_escaped_and_odd_numbers_written_as_prometheus_reads_them() {
        let metrics = Metrics::default();
        let mut reading = metric("x", MetricKind::Gauge, f64::INFINITY);
        reading.labels = BTreeMap::from([("l".into(), "a\"b\\c\nd".into())]);
        metrics.record("p", "i", &reading).unwrap();
        assert!(metrics.text().contains(r#"l="a\"b\\c\nd""#), "{}", metrics.text());
        assert!(metrics.text().ends_with(" +Inf\n"));
        assert_eq!(
            (number(f64::NAN), number(f64::NEG_INFINITY), number(1e3)),
            ("NaN".into(), "-Inf".into(), "1000".into())
        );
    }

    #[test]
    fn a_reading_that_breaks_a_rule_is_refused_and_changes_nothing() {
        let metrics = Metrics::default();
        metrics
            .record("p", "i", &metric("known", MetricKind::Gauge, 1.0))
            .unwrap();
        let before = metrics.text();
        for bad in [
            metric("1x", MetricKind::Gauge, 1.0),
            metric("", MetricKind::Gauge, 1.0),
            metric("aerolith_x", MetricKind::Gauge, 1.0),
            metric("known", MetricKind::Counter, 1.0),
            metric("falling_total", MetricKind::Counter, -1.0),
            metric("falling_total", MetricKind::Counter, f64::NAN),
        ] {
            let error = metrics.record("p", "i", &bad).unwrap_err();
            assert!(error.to_string().contains(&format!("`{}`", bad.name)), "{error}");
        }
        let mut labelled = metric("known", MetricKind::Gauge, 2.0);
        labelled.labels.insert("plugin".into(), "another".into());
        metrics.record("p", "i", &labelled).unwrap_err();
        assert_eq!(metrics.text(), before);
    }

    #[test]
    fn an_instance_cannot_fill_the_memory_and_leaves_nothing_when_it_goes() {
        let metrics = Metrics::default();
        let reading = |n: usize| Metric {
            labels: BTreeMap::from([("n".into(), n.to_string())]),
            ..metric("m", MetricKind::Gauge, 0.0)
        };
        for n in 0..MOST_SERIES {
            metrics.record("p", "i", &reading(n)).unwrap();
        }
        assert_eq!(
            metrics.record("p", "i", &reading(MOST_SERIES)),
            Err(MetricError::TooMany("m".into()))
        );
        metrics.record("p", "j", &reading(1)).unwrap();
        metrics.forget("i");
        assert_eq!(metrics.text().lines().count(), 2);
        metrics.record("p", "i", &reading(0)).unwrap();
    }

    #[test]
    fn the_nodes_own_series_go_with_their_instance_however_many_come() {
        let metrics = Metrics::default();
        let count = |id: &InstanceId| metrics.count("aerolith_x_total", &[(INSTANCE_ID, &id.to_string())]);
        let stays: InstanceId = "shop.web.1".parse().unwrap();
        count(&stays);
        for n in 0..2 * MOST_SERIES {
            let comes: InstanceId = format!("shop.s{n}.1").parse().unwrap();
            count(&comes);
            assert!(metrics.text().contains(&comes.to_string()), "{n}");
            metrics.forget_own(&comes);
        }
        let text = metrics.text();
        assert_eq!(
            text,
            "# TYPE aerolith_x_total counter\naerolith_x_total{instance_id=\"shop.web.1\"} 1\n"
        );
    }
}
