#include "control/subscriber_ranking.h"

#include <algorithm>
#include <utility>

namespace portcullis {

namespace {

std::uint64_t value_of(const SubscriberDrops& one, DropOrder order) noexcept {
    switch (order) {
    case DropOrder::frames: return one.dropped[0].frames + one.dropped[1].frames;
    case DropOrder::bytes: return one.dropped[0].bytes + one.dropped[1].bytes;
    case DropOrder::flows: return one.dropped[0].flows + one.dropped[1].flows;
    }
    return 0;
}

}  // namespace

std::optional<DropOrder> parse_order(std::string_view text) noexcept {
    for (const DropOrder order : {DropOrder::frames, DropOrder::bytes, DropOrder::flows}) {
        if (text == label(order)) {
            return order;
        }
    }
    return std::nullopt;
}

bool DropRanking::before(const SubscriberDrops& a, const SubscriberDrops& b) const noexcept {
    const std::uint64_t of_a = value_of(a, order_);
    const std::uint64_t of_b = value_of(b, order_);
    return of_a != of_b ? of_a > of_b : a.key < b.key;
}

void DropRanking::offer(const SubscriberDrops& subscriber) {
    const auto order = [this](const SubscriberDrops& a, const SubscriberDrops& b) {
        return before(a, b);
    };
    if (heap_.size() < count_) {
        heap_.push_back(subscriber);
        std::push_heap(heap_.begin(), heap_.end(), order);
    } else if (count_ != 0 && before(subscriber, heap_.front())) {
        std::pop_heap(heap_.begin(), heap_.end(), order);
        heap_.back() = subscriber;
        std::push_heap(heap_.begin(), heap_.end(), order);
    }
}

std::vector<SubscriberDrops> DropRanking::take() {
    std::sort_heap(
        heap_.begin(),
        heap_.end(),
        [this](const SubscriberDrops& a, const SubscriberDrops& b) { return before(a, b); }
    );
    return std::move(heap_);
}

}  // namespace portcullis
