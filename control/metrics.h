// /metrics: the totals and the top subscribers, a bounded number of series. Reads the last summary of the books;
// any thread.
#pragma once

#include "control/bookkeeper.h"
#include "control/metric_families.h"
#include "control/publisher.h"

#include <prometheus/collectable.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace portcullis {

class Metrics : public prometheus::Collectable {
public:
    Metrics(
        const Bookkeeper& books,
        const Publisher& publisher,
        const std::atomic<std::uint64_t>& series_left_out
    )
        : books_(books)
        , publisher_(publisher)
        , series_left_out_(series_left_out) {}

    // Families of another part of control, after these. Before the first scrape; any thread calls it.
    void add_source(std::function<void(MetricFamilies&)> source) {
        sources_.push_back(std::move(source));
    }

    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

    // The same in the text format of Prometheus, version 0.0.4.
    [[nodiscard]] std::string text() const;

private:
    const Bookkeeper& books_;
    const Publisher& publisher_;
    const std::atomic<std::uint64_t>& series_left_out_;
    std::vector<std::function<void(MetricFamilies&)>> sources_;
};

}  // namespace portcullis
