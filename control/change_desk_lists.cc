// What the change desk does about list files that were written: reads them all again, and makes a change of it.

#include "control/change_desk.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace portcullis {

namespace {

// After a failure that is none of the lists.
constexpr unsigned kLooksBeforeRetry = 10;

std::string
names_of_changed(const std::vector<ListFile>& lists, const std::vector<FileStamp>& now) {
    std::string out;
    for (std::size_t i = 0; i < lists.size(); ++i) {
        if (lists[i].stamp != now[i]) {
            out += (out.empty() ? "" : ", ")
                   + std::filesystem::path(lists[i].path).filename().string();
        }
    }
    return out;
}

}  // namespace

void ChangeDesk::look_at_lists() {
    if (former_) {
        return;  // what waits for its confirmation stays as it is
    }
    if (const auto stamps = watch_.look()) {
        take_lists(*stamps);
    }
}

void ChangeDesk::take_lists(const std::vector<FileStamp>& stamps) {
    const std::vector<ListFile> lists = watch_.lists();
    const std::string names = names_of_changed(lists, stamps);
    auto read = reread_lists(current_.bundle);
    const bool written_meanwhile = !std::equal(
        lists.begin(),
        lists.end(),
        stamps.begin(),
        [](const auto& list, const auto& s) { return stamp_of(list.path) == s; }
    );
    if (written_meanwhile) {
        watch_.tell_again(ListWatch::kLooksAtRest);
        return;
    }
    list_errors_.clear();
    if (!read) {
        for (const Error& error : read.errors()) {
            list_errors_.push_back(to_string(error));
            spdlog::error("{}", list_errors_.back());
        }
        spdlog::error("{}: the lists in force stay", names);
        publisher_.note_invalid(read.errors());
        show();
        return;
    }
    if (diff(*current_.policy, read.value().policy, 0).total() == 0) {
        spdlog::info("{} was written, and means what it meant", names);
        show();
        return;
    }
    ChangeRequest request;
    request.kind = ChangeKind::lists;
    request.bundle = std::move(read.value().bundle);
    request.policy = std::move(read.value().policy);
    request.who = {"portcullis-control", 0};
    request.comment = names + " was written";
    const ChangeAnswer answer = take(std::move(request));
    if (const auto* const refused = std::get_if<ChangeRefusal>(&answer)) {
        for (const Error& error : refused->errors) {
            list_errors_.push_back(to_string(error));
            spdlog::error("{}", list_errors_.back());
        }
        watch_.tell_again(kLooksBeforeRetry);
        show();
    } else {
        spdlog::info("{} was read again", names);
    }
}

}  // namespace portcullis
