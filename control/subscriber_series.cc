#include "control/subscriber_series.h"

#include <array>
#include <charconv>
#include <stdexcept>
#include <string_view>

namespace portcullis {

namespace {

// The ledger rests while this many subscribers are written: some tenths of a millisecond.
constexpr unsigned kSubscribersPerPiece = 512;

constexpr std::string_view kName = "portcullis_subscriber_dropped_frames_total";
constexpr std::string_view kHead =
    "# HELP portcullis_subscriber_dropped_frames_total Frames dropped of a subscriber, by rule; "
    "other means all rules but the first, where there are more than two.\n"
    "# TYPE portcullis_subscriber_dropped_frames_total counter\n";
constexpr std::string_view kTail =
    "# HELP portcullis_subscriber_series_left_out Series above the limit, which this response does "
    "not hold.\n"
    "# TYPE portcullis_subscriber_series_left_out gauge\n"
    "portcullis_subscriber_series_left_out ";

void append_escaped(std::string_view text, std::string& out) {
    for (const char c : text) {
        if (c == '\\' || c == '"') {
            out += '\\';
        }
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
}

void append_number(std::uint64_t number, std::string& out) {
    std::array<char, 20> digits{};
    const auto [end, ignored] = std::to_chars(digits.begin(), digits.end(), number);
    out.append(digits.begin(), end);
}

}  // namespace

std::string column_name(const RunningPolicy& policy, unsigned column) {
    const bool to_itself = column == 0 || policy.rule_names.size() == kSlotColumns;
    return to_itself && column < policy.rule_names.size() ? policy.rule_names[column] : kOtherRules;
}

SubscriberSeries::SubscriberSeries(
    const Bookkeeper& books,
    const RunningPolicy* policy,
    Shard shard,
    std::uint64_t series_max,
    std::atomic<std::uint64_t>& left_out
)
    : books_(books)
    , shard_(shard)
    , series_left_(series_max)
    , left_out_total_(left_out) {
    if (policy == nullptr) {
        return;
    }
    cursor_.emplace(books_.with_ledger([](const SubscriberLedger& ledger) {
        return ledger.shared_names();
    }));
    for (unsigned column = 0; column < kSlotColumns; ++column) {
        std::string label = "\",rule=\"";
        append_escaped(column_name(*policy, column), label);
        column_labels_.push_back(label + "\"} ");
    }
}

bool SubscriberSeries::append_piece(std::string& out) {
    if (!started_) {
        out += kHead;
        started_ = true;
    }
    const bool more = cursor_ && books_.with_ledger([&](const SubscriberLedger& ledger) {
        for (unsigned i = 0; i < kSubscribersPerPiece; ++i) {
            if (!cursor_->next(ledger, subscriber_)) {
                return false;
            }
            if (subscriber_.key % shard_.count == shard_.index) {
                append_series(out);
            }
        }
        return true;
    });
    if (cursor_ && cursor_->overtaken()) {
        throw std::runtime_error("another policy came into force while subscribers were written");
    }
    if (!more) {
        left_out_total_.fetch_add(left_out_, std::memory_order_relaxed);
        out += kTail;
        append_number(left_out_, out);
        out += '\n';
    }
    return more;
}

void SubscriberSeries::append_series(std::string& out) {
    bool named = false;
    for (unsigned column = 0; column < kSlotColumns; ++column) {
        if (subscriber_.dropped[column].frames == 0) {
            continue;
        }
        if (series_left_ == 0) {
            ++left_out_;
            continue;
        }
        --series_left_;
        if (!named) {
            cursor_->name(subscriber_);
            named = true;
        }
        out += kName;
        out += "{subscriber=\"";
        append_escaped(subscriber_.name, out);
        out += column_labels_[column];
        append_number(subscriber_.dropped[column].frames, out);
        out += '\n';
    }
}

}  // namespace portcullis
