#include "dataplane/eal_log.h"

#include <rte_log.h>

#include <spdlog/spdlog.h>
#include <sys/types.h>

#include <string_view>
#include <utility>

namespace portcullis::dataplane {

namespace {

constexpr std::size_t kComplaintsMax = 4;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.remove_suffix(1);
    }
    return text;
}

// What stdio calls with a line that DPDK has formatted.
ssize_t write_line(void* log, const char* text, std::size_t size) {
    const std::string_view line = trimmed({text, size});
    if (!line.empty()) {
        static_cast<EalLog*>(log)->add(
            static_cast<unsigned>(rte_log_cur_msg_loglevel()), std::string(line)
        );
    }
    return static_cast<ssize_t>(size);
}

}  // namespace

void EalLog::Close::operator()(std::FILE* stream) const noexcept {
    rte_openlog_stream(nullptr);
    (void)std::fclose(stream);
}

EalLog::EalLog()
    : stream_(::fopencookie(this, "w", {nullptr, write_line, nullptr, nullptr})) {
    rte_openlog_stream(stream_.get());
}

EalLog::~EalLog() = default;

void EalLog::add(unsigned level, std::string line) {
    spdlog::debug("DPDK: {}", line);
    if (level > RTE_LOG_WARNING) {
        return;
    }
    const std::scoped_lock lock(mutex_);
    complaints_.push_back(std::move(line));
    if (complaints_.size() > kComplaintsMax) {
        complaints_.pop_front();
    }
}

std::string EalLog::take_complaints() {
    const std::scoped_lock lock(mutex_);
    std::string out;
    for (const std::string& line : std::exchange(complaints_, {})) {
        out += (out.empty() ? "" : "; ") + line;
    }
    return out;
}

}  // namespace portcullis::dataplane
