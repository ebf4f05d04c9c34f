// /metrics/subscribers: one series for each subscriber with drops and rule, written while it is sent, so that a
// million of them take no memory. HTTP threads; each stream belongs to one.
#pragma once

#include "control/bookkeeper.h"
#include "control/http_server.h"
#include "control/subscriber_cursor.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portcullis {

// Which part of all subscribers: shard `index` of `count`. A subscriber stays in its shard.
struct Shard {
    std::uint32_t index = 0;
    std::uint32_t count = 1;
};

// What the columns of a ledger are called in the label `rule`: rules by their names, and "other" where more than
// two rules share the second column.
inline constexpr const char* kOtherRules = "other";
[[nodiscard]] std::string column_name(const RunningPolicy& policy, unsigned column);

class SubscriberSeries : public HttpStream {
public:
    // At most `series_max` series; further ones are added to `left_out`. Without a policy there are none.
    SubscriberSeries(
        const Bookkeeper& books,
        const RunningPolicy* policy,
        Shard shard,
        std::uint64_t series_max,
        std::atomic<std::uint64_t>& left_out
    );

    [[nodiscard]] bool append_piece(std::string& out) override;

private:
    void append_series(std::string& out);

    const Bookkeeper& books_;
    Shard shard_;
    std::uint64_t series_left_;
    std::atomic<std::uint64_t>& left_out_total_;
    std::uint64_t left_out_ = 0;
    std::vector<std::string> column_labels_;  // by column: `",rule="smtp"} `
    std::optional<SubscriberCursor> cursor_;
    SubscriberDrops subscriber_;
    bool started_ = false;
};

}  // namespace portcullis
