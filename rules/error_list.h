// The errors of one policy text: gathered in any order while it is read, handed out in the order of the file.
// Cold; one thread at a time.
#pragma once

#include "rules/result.h"
#include "rules/text_value.h"

#include <cstddef>
#include <string>
#include <vector>

namespace portcullis {

class ErrorList {
public:
    // More are counted, not kept: a text of 256 MiB can hold millions.
    static constexpr std::size_t kErrorsMax = 10'000;

    explicit ErrorList(std::string file);

    void add(SourcePosition at, std::string message, std::string cure);

    // An error in a list file. It sorts at `named_at`, where the policy names that file.
    void add_in_list(
        SourcePosition named_at,
        SourceLocation where,
        std::string message,
        std::string cure
    );

    // Part of the text could not be read, so what seems to be missing may stand there: from now on nobody
    // reports an absent key or an undefined name.
    void set_incomplete() noexcept { incomplete_ = true; }

    [[nodiscard]] bool incomplete() const noexcept { return incomplete_; }

    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }

    // Whether the next error is kept. If not, it is counted by this call, and its text not worth making.
    [[nodiscard]] bool admits_next() noexcept;

    [[nodiscard]] SourceLocation locate(SourcePosition at) const {
        return {file_, at.line, at.column};
    }

    [[nodiscard]] Errors take_sorted();

private:
    [[nodiscard]] bool full() const noexcept { return entries_.size() >= kErrorsMax; }

    struct Entry {
        SourcePosition sorts_at;
        Error error;
    };

    std::string file_;
    std::vector<Entry> entries_;
    std::size_t left_out_ = 0;
    bool incomplete_ = false;
};

}  // namespace portcullis
