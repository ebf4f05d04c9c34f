#include "bench/telemetry_client.h"

#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

namespace portcullis::bench {

namespace {

using dataplane::FileDescriptor;

// Longer answers than the ones asked for here are cut, and then no JSON.
constexpr std::size_t kAnswerBytesMax = 16'384;
constexpr timeval kReceiveTimeout{5, 0};

Error telemetry_failure(const std::string& what) {
    return {{}, "the telemetry of a DPDK program " + what, "is it DPDK 20.11 or newer?"};
}

std::filesystem::path socket_below(const std::filesystem::path& folder) {
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
        if (entry.path().filename().string().rfind("dpdk_telemetry.v2", 0) == 0) {
            return entry.path();
        }
    }
    return {};
}

Result<std::string> answer_from(int socket) {
    std::array<char, kAnswerBytesMax> text{};
    const ssize_t bytes = ::recv(socket, text.data(), text.size(), 0);
    if (bytes <= 0) {
        return telemetry_failure("does not answer: " + std::generic_category().message(errno));
    }
    return std::string(text.data(), static_cast<std::size_t>(bytes));
}

}  // namespace

Result<TelemetryClient> TelemetryClient::connect(const std::filesystem::path& runtime_folder) {
    const std::string path = socket_below(runtime_folder).string();
    sockaddr_un address{};
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return telemetry_failure("has no socket below " + runtime_folder.string());
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    FileDescriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    (void
    )::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kReceiveTimeout, sizeof(kReceiveTimeout));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as the system call wants it
    const auto* const name = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(socket.get(), name, sizeof(address)) != 0) {
        return telemetry_failure("cannot be reached: " + std::generic_category().message(errno));
    }
    if (const Result<std::string> greeting = answer_from(socket.get()); !greeting) {
        return greeting.errors();
    }
    return TelemetryClient(std::move(socket));
}

Result<std::uint64_t> TelemetryClient::received_frames_of(unsigned port) {
    const std::string question = "/ethdev/stats," + std::to_string(port);
    if (::send(socket_.get(), question.data(), question.size(), MSG_NOSIGNAL) < 0) {
        return telemetry_failure("cannot be asked: " + std::generic_category().message(errno));
    }
    const Result<std::string> answer = answer_from(socket_.get());
    if (!answer) {
        return answer.errors();
    }
    const auto all = nlohmann::json::parse(answer.value(), nullptr, false);
    const auto count = nlohmann::json::json_pointer("/~1ethdev~1stats/ipackets");
    if (all.is_discarded() || !all.contains(count) || !all.at(count).is_number_unsigned()) {
        return telemetry_failure(
            "says nothing of port " + std::to_string(port) + ": " + answer.value()
        );
    }
    return all.at(count).get<std::uint64_t>();
}

Result<std::uint64_t> TelemetryClient::received_frames(unsigned ports) {
    std::uint64_t out = 0;
    for (unsigned port = 0; port < ports; ++port) {
        const Result<std::uint64_t> frames = received_frames_of(port);
        if (!frames) {
            return frames.errors();
        }
        out += frames.value();
    }
    return out;
}

}  // namespace portcullis::bench
