#include "control/list_watch.h"

#include "rules/list_file.h"

#include <fstream>
#include <utility>

namespace portcullis {

namespace {

bool ends_within_a_line(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    file.seekg(-1, std::ios::end);
    return file.get() != '\n';
}

}  // namespace

FileStamp stamp_of_text(const std::string& path, const std::string& text) {
    const FileStamp stamp = stamp_of(path);
    const auto read = read_text_file(path);
    return read && read.value() == text ? stamp : FileStamp();
}

ListWatch::ListWatch(std::vector<ListFile> lists)
    : lists_(std::move(lists)) {
    for (const ListFile& list : lists_) {
        known_.push_back(list.stamp);
    }
}

std::vector<FileStamp> ListWatch::stamps() const {
    std::vector<FileStamp> out;
    for (const ListFile& list : lists_) {
        out.push_back(stamp_of(list.path));
    }
    return out;
}

bool ListWatch::any_looks_half(const std::vector<FileStamp>& now) const {
    for (std::size_t i = 0; i < lists_.size(); ++i) {
        if (now[i] != known_[i] && (now[i].bytes == 0 || ends_within_a_line(lists_[i].path))) {
            return true;
        }
    }
    return false;
}

std::optional<std::vector<FileStamp>> ListWatch::look() {
    std::vector<FileStamp> now = stamps();
    looks_at_rest_ = now == seen_ ? looks_at_rest_ + 1 : 0;
    seen_ = now;
    if (now == known_ || looks_at_rest_ < kLooksAtRest) {
        return std::nullopt;
    }
    if (looks_at_rest_ < wait_ || (looks_at_rest_ < kLooksAtRestHalf && any_looks_half(now))) {
        return std::nullopt;
    }
    wait_ = 0;
    known_ = now;
    return now;
}

void ListWatch::tell_again(unsigned looks) {
    known_.assign(lists_.size(), {});
    looks_at_rest_ = 0;
    wait_ = looks;
}

}  // namespace portcullis
