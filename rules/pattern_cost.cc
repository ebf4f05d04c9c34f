#include "rules/pattern_cost.h"

#include <algorithm>
#include <vector>

namespace portcullis {

namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

std::uint32_t at_most(std::uint64_t count) noexcept {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(count, kPlacesCountedMax));
}

// Goes through a pattern once, as far as it takes to know where its atoms, groups and repetitions are.
class PlaceCounter {
public:
    explicit PlaceCounter(std::string_view text)
        : text_(text) {}

    PatternCost run() {
        while (at_ < text_.size() && !cost_.fault) {
            const std::size_t start = at_;
            step();
            cost_.places = places();
            if (!cost_.exceeded_at && cost_.places > kPatternPlacesMax) {
                cost_.exceeded_at = start;
            }
        }
        return std::move(cost_);
    }

private:
    struct Group {
        std::uint32_t before = 0;  // places of all but the last item
        std::uint32_t last = 0;    // places of the last item: what a repetition repeats
    };

    [[nodiscard]] std::uint32_t places() const noexcept {
        std::uint64_t out = 0;
        for (const Group& group : groups_) {
            out += std::uint64_t{group.before} + group.last;
        }
        return at_most(out);
    }

    // Whether the text goes on with `token`.
    [[nodiscard]] bool is_at(std::string_view token) const noexcept {
        return text_.substr(at_, token.size()) == token;
    }

    bool take(std::string_view token) noexcept {
        const bool there = is_at(token);
        at_ += there ? token.size() : 0;
        return there;
    }

    // Goes behind the next `token`, or to the end.
    void skip_past(std::string_view token) noexcept {
        const std::size_t found = text_.find(token, at_);
        at_ = found == std::string_view::npos ? text_.size() : found + token.size();
    }

    void add_item(std::uint32_t places) noexcept {
        Group& group = groups_.back();
        group.before = at_most(std::uint64_t{group.before} + group.last);
        group.last = places;
    }

    void repeat(std::uint64_t times) noexcept {
        std::uint32_t& last = groups_.back().last;
        last = at_most(last * std::max<std::uint64_t>(times, 1));
    }

    void step() {
        if (take("\\Q")) {
            take_quoted();
        } else if (take("\\")) {
            take_escape();
            add_item(1);
        } else if (take("[")) {
            take_set();
            add_item(1);
        } else if (take("(")) {
            open_group();
        } else if (take(")")) {
            close_group();
        } else if (take("|")) {
            add_item(0);
        } else if (!take_repetition()) {
            ++at_;
            add_item(1);
        }
    }

    // Behind \Q: up to \E every character stands for itself.
    void take_quoted() noexcept {
        while (at_ < text_.size() && !take("\\E")) {
            ++at_;
            add_item(1);
        }
    }

    // Behind a backslash: the braces of a number or a property repeat nothing.
    void take_escape() noexcept {
        const char kind = at_ < text_.size() ? text_[at_++] : '\0';
        const std::string_view allowed = kind == 'x'                  ? kHexDigits
                                         : kind == 'p' || kind == 'P' ? kLetters
                                                                      : std::string_view();
        if (allowed.empty() || !is_at("{")) {
            return;
        }
        const std::size_t end = text_.find_first_not_of(allowed, at_ + 1);
        if (end != std::string_view::npos && end > at_ + 1 && text_[end] == '}') {
            at_ = end + 1;
        }
    }

    // Behind the bracket that opens a set of characters.
    void take_set() noexcept {
        (void)take("^");
        (void)take("]");
        while (at_ < text_.size() && !take("]")) {
            if (take("\\Q")) {
                skip_past("\\E");
            } else if (take("\\")) {
                ++at_;
            } else if (!take_named_set()) {
                ++at_;
            }
        }
        at_ = std::min(at_, text_.size());
    }

    // [:alpha:] within a set.
    bool take_named_set() noexcept {
        if (!is_at("[:")) {
            return false;
        }
        const std::size_t name = at_ + (text_.substr(at_ + 2, 1) == "^" ? 3 : 2);
        const std::size_t end = text_.find_first_not_of(kLetters, name);
        if (end == std::string_view::npos || text_.substr(end, 2) != ":]") {
            return false;
        }
        at_ = end + 2;
        return true;
    }

    void open_group() {
        const std::size_t start = at_ - 1;
        if (is_at("*")) {
            cost_.fault =
                PatternFault{start, "(* begins an option", "payload is bytes: write none"};
            return;
        }
        if (take("?#")) {
            skip_past(")");
            return;
        }
        if (take("?")) {
            const std::size_t end = std::min(text_.find_first_of(":)<>'=!|#", at_), text_.size());
            if (text_.substr(at_, end - at_).find('x') != std::string_view::npos) {
                cost_.fault =
                    PatternFault{start, "(?x) ignores blanks", "write the pattern without blanks"};
                return;
            }
        }
        groups_.emplace_back();
    }

    void close_group() {
        if (groups_.size() == 1) {
            add_item(1);  // no pattern: Hyperscan says so
            return;
        }
        const Group closed = groups_.back();
        groups_.pop_back();
        add_item(std::max<std::uint32_t>(at_most(std::uint64_t{closed.before} + closed.last), 1));
    }

    bool take_repetition() noexcept {
        if (take("*") || take("+") || take("?")) {
            return true;
        }
        const std::size_t end = text_.find('}', at_);
        if (!is_at("{") || end == std::string_view::npos) {
            return false;
        }
        const std::string_view bounds = text_.substr(at_ + 1, end - at_ - 1);
        const bool other = bounds.find_first_not_of("0123456789, ") != std::string_view::npos;
        if (other || bounds.find_first_of(kDigits) == std::string_view::npos) {
            return false;
        }
        repeat(largest_number(bounds));
        at_ = end + 1;
        return true;
    }

    static std::uint64_t largest_number(std::string_view text) noexcept {
        std::uint64_t largest = 0;
        std::uint64_t number = 0;
        for (const char c : text) {
            const bool digit = kDigits.find(c) != std::string_view::npos;
            number = digit ? at_most(number * 10 + static_cast<unsigned>(c - '0')) : 0;
            largest = std::max(largest, number);
        }
        return largest;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<Group> groups_ = std::vector<Group>(1);
    PatternCost cost_;
};

}  // namespace

PatternCost cost_of_pattern(std::string_view pattern) {
    return PlaceCounter(pattern).run();
}

std::optional<PatternFault> fault_of_cost(std::string_view pattern) {
    PatternCost cost = cost_of_pattern(pattern);
    if (cost.fault || !cost.exceeded_at) {
        return std::move(cost.fault);
    }
    const bool counted = cost.places < kPlacesCountedMax;
    return PatternFault{
        cost.exceeded_at,
        "too costly, " + std::string(counted ? "" : "at least ") + std::to_string(cost.places)
            + " characters long, repetitions written out",
        "at most " + std::to_string(kPatternPlacesMax) + ": use smaller repetitions"};
}

}  // namespace portcullis
