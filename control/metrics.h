// /metrics: the totals and the top subscribers, a bounded number of series. Reads the last summary of the books;
// any thread.
#pragma once

#include "control/bookkeeper.h"
#include "control/publisher.h"

#include <prometheus/collectable.h>

#include <atomic>
#include <cstdint>
#include <string>
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

    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

    // The same in the text format of Prometheus, version 0.0.4.
    [[nodiscard]] std::string text() const;

private:
    const Bookkeeper& books_;
    const Publisher& publisher_;
    const std::atomic<std::uint64_t>& series_left_out_;
};

}  // namespace portcullis
