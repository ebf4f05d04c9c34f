#include "rules/error_list.h"

#include <algorithm>
#include <utility>

namespace portcullis {

ErrorList::ErrorList(std::string file)
    : file_(std::move(file)) {}

void ErrorList::add(SourcePosition at, std::string message, std::string cure) {
    add_in_list(at, locate(at), std::move(message), std::move(cure));
}

void ErrorList::add_in_list(
    SourcePosition named_at,
    SourceLocation where,
    std::string message,
    std::string cure
) {
    if (!admits_next()) {
        return;
    }
    entries_.push_back({named_at, {std::move(where), std::move(message), std::move(cure)}});
}

bool ErrorList::admits_next() noexcept {
    left_out_ += full() ? 1U : 0U;
    return !full();
}

Errors ErrorList::take_sorted() {
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
        return a.sorts_at < b.sorts_at;
    });
    Errors out;
    out.reserve(entries_.size() + 1);
    for (Entry& entry : entries_) {
        out.push_back(std::move(entry.error));
    }
    if (left_out_ != 0) {
        out.push_back({{file_, 0, 0}, std::to_string(left_out_) + " more errors are not shown", ""}
        );
    }
    entries_.clear();
    return out;
}

}  // namespace portcullis
