// Builds the metric families of one scrape, in order, as the Prometheus client's values.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace portcullis {

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

class MetricFamilies {
public:
    // Begins a family; the samples that follow are its own. `name` goes without the prefix "portcullis_".
    void counter(const std::string& name, std::string help) {
        begin(name, std::move(help), prometheus::MetricType::Counter);
    }

    void gauge(const std::string& name, std::string help) {
        begin(name, std::move(help), prometheus::MetricType::Gauge);
    }

    // Numbers above 2^53 are rounded: Prometheus knows only doubles.
    template <typename Number>
    void add(MetricLabels labels, Number value) {
        prometheus::ClientMetric sample;
        sample.label = std::move(labels);
        if (families_.back().type == prometheus::MetricType::Counter) {
            sample.counter.value = static_cast<double>(value);
        } else {
            sample.gauge.value = static_cast<double>(value);
        }
        families_.back().metric.push_back(std::move(sample));
    }

    [[nodiscard]] std::vector<prometheus::MetricFamily> take() { return std::move(families_); }

private:
    void begin(const std::string& name, std::string help, prometheus::MetricType type) {
        prometheus::MetricFamily family;
        family.name = "portcullis_" + name;
        family.help = std::move(help);
        family.type = type;
        families_.push_back(std::move(family));
    }

    std::vector<prometheus::MetricFamily> families_;
};

}  // namespace portcullis
