// An intake that runs, with a worker that takes policies, and clients that say anything.
#pragma once

#include "dataplane/counter_memory.h"
#include "dataplane/intake.h"
#include "dataplane/publisher.h"
#include "dataplane/running_policy.h"
#include "rules/intake_protocol.h"
#include "tests/dataplane/support.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <thread>

namespace portcullis::dataplane::test {

inline constexpr std::chrono::seconds kPatience{10};

class Client {
public:
    explicit Client(const std::filesystem::path& socket);

    // Sends `bytes`, with `descriptor` unless it is negative.
    [[nodiscard]] bool send(std::span<const std::byte> bytes, int descriptor = -1) const;

    template <typename Message>
    [[nodiscard]] bool say(const Message& message, int descriptor = -1) const {
        return send(std::as_bytes(std::span<const Message, 1>(&message, 1)), descriptor);
    }

    // The next message; nothing when the other side has closed the connection, or says nothing.
    template <typename Message>
    [[nodiscard]] std::optional<Message> hear(std::chrono::milliseconds patience = kPatience) {
        Message out;
        return receive(std::as_writable_bytes(std::span<Message, 1>(&out, 1)), patience)
                   ? std::optional<Message>(out)
                   : std::nullopt;
    }

    // Whether the other side closes the connection.
    [[nodiscard]] bool is_closed_by_peer(std::chrono::milliseconds patience = kPatience);

    // Hello, and the answer.
    [[nodiscard]] std::optional<Welcome> greet();

    // Publish, and the answer.
    [[nodiscard]] std::optional<Published>
    publish(std::uint64_t generation, int descriptor, std::uint64_t image_bytes);

    // Amend with `bytes` in a sealed memfd, or with no descriptor, and the answer.
    [[nodiscard]] std::optional<Published>
    amend(const Amend& message, std::span<const std::byte> bytes = {});

    [[nodiscard]] int socket() const noexcept { return socket_.get(); }

    // That came with the last message.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

private:
    [[nodiscard]] bool receive(std::span<std::byte> into, std::chrono::milliseconds patience);

    FileDescriptor socket_;
    FileDescriptor descriptor_;
};

class RunningIntake {
public:
    RunningIntake();
    ~RunningIntake();
    RunningIntake(const RunningIntake&) = delete;
    RunningIntake& operator=(const RunningIntake&) = delete;
    RunningIntake(RunningIntake&&) = delete;
    RunningIntake& operator=(RunningIntake&&) = delete;

    [[nodiscard]] std::filesystem::path path() const { return folder_ / "socket"; }

    // From now on the worker takes no policy, as if it hung; or takes them again.
    void hold_worker(bool held) noexcept { held_.store(held, std::memory_order_relaxed); }

    // The generation that the worker uses.
    [[nodiscard]] std::uint64_t worker_generation() const noexcept {
        return worker_generation_.load(std::memory_order_relaxed);
    }

    // The overlay's checksum and the shadow policy's number that the worker uses, 0: none.
    [[nodiscard]] std::uint64_t worker_overlay() const noexcept {
        return worker_overlay_.load(std::memory_order_relaxed);
    }

    [[nodiscard]] std::uint64_t worker_shadow() const noexcept {
        return worker_shadow_.load(std::memory_order_relaxed);
    }

    // What the worker does with every policy that it has taken. To be set before the first is published.
    void each_turn(std::function<void(const RunningPolicy&)> what);

    [[nodiscard]] CounterMemory& counters() noexcept { return counters_; }

    [[nodiscard]] const CounterHeader& header() noexcept { return counters_.header(); }

private:
    void work() noexcept;

    TempFolder folder_;
    PolicySlot policies_{1};
    CounterMemory counters_;
    Publisher publisher_;
    Intake intake_;
    FileDescriptor stop_event_;
    std::atomic<bool> stop_{false};
    std::atomic<bool> held_{false};
    std::atomic<std::uint64_t> worker_generation_{0};  // written by the worker, as the next two
    std::atomic<std::uint64_t> worker_overlay_{0};
    std::atomic<std::uint64_t> worker_shadow_{0};
    std::function<void(const RunningPolicy&)> each_turn_;  // set before the first policy
    std::thread worker_;
    std::thread cold_;
};

}  // namespace portcullis::dataplane::test
