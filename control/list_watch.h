// Looks whether list files were written, and says when they may be read: not while somebody is still writing. Looks
// are the caller's, some time apart. One thread at a time.
#pragma once

#include "control/file_stamp.h"

#include <optional>
#include <string>
#include <vector>

namespace portcullis {

// A list file of the policy as it was when it was read.
struct ListFile {
    std::string path;
    FileStamp stamp;
};

// The stamp of a file that says `text`; all zero, so that a look finds it changed, when it says something else.
[[nodiscard]] FileStamp stamp_of_text(const std::string& path, const std::string& text);

class ListWatch {
public:
    // A file that rests for so many looks is written to its end; an editor that replaces it does so at once. One that is
    // empty, absent or ends within a line looks like half of a file, and has to rest longer.
    static constexpr unsigned kLooksAtRest = 1;
    static constexpr unsigned kLooksAtRestHalf = 10;

    ListWatch() = default;

    explicit ListWatch(std::vector<ListFile> lists);

    // The stamps of all lists, when one has changed and all rest. They are told once.
    [[nodiscard]] std::optional<std::vector<FileStamp>> look();

    // What was told has not been dealt with: tells it again after `looks`.
    void tell_again(unsigned looks);

    [[nodiscard]] const std::vector<ListFile>& lists() const noexcept { return lists_; }

private:
    [[nodiscard]] std::vector<FileStamp> stamps() const;
    [[nodiscard]] bool any_looks_half(const std::vector<FileStamp>& now) const;

    std::vector<ListFile> lists_;
    std::vector<FileStamp> known_;  // in force, or told
    std::vector<FileStamp> seen_;   // at the last look
    unsigned looks_at_rest_ = 0;
    unsigned wait_ = 0;  // looks at rest asked for by tell_again()
};

}  // namespace portcullis
