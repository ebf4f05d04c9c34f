#include "tests/dataplane/intake_fixture.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace portcullis::dataplane::test {

namespace {

template <typename T>
T must(Result<T> result) {
    if (!result) {
        throw std::runtime_error(to_string(result.errors()));
    }
    return std::move(result).value();
}

CounterShape shape() {
    CounterShape out;
    out.slot_capacity = kPolicySlots;
    return out;
}

bool is_readable(int descriptor, std::chrono::milliseconds patience) {
    pollfd polled{descriptor, POLLIN, 0};
    return ::poll(&polled, 1, static_cast<int>(patience.count())) == 1;
}

}  // namespace

Client::Client(const std::filesystem::path& socket)
    : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address))
        != 0) {
        throw std::runtime_error("cannot connect to " + socket.string());
    }
}

bool Client::send(std::span<const std::byte> bytes, int descriptor) const {
    return send_message(socket_.get(), bytes, descriptor);
}

bool Client::receive(std::span<std::byte> into, std::chrono::milliseconds patience) {
    if (!is_readable(socket_.get(), patience)) {
        return false;
    }
    Received received = receive_message(socket_.get(), into);
    descriptor_ = std::move(received.descriptor);
    return received.status == Received::Status::message && received.size == into.size();
}

bool Client::is_closed_by_peer(std::chrono::milliseconds patience) {
    std::byte ignored{};
    if (!is_readable(socket_.get(), patience)) {
        return false;
    }
    const ssize_t size = ::recv(socket_.get(), &ignored, 1, MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno == ECONNRESET);
}

std::optional<Welcome> Client::greet() {
    return say(Hello{}) ? hear<Welcome>() : std::nullopt;
}

std::optional<Published>
Client::publish(std::uint64_t generation, int descriptor, std::uint64_t image_bytes) {
    Publish message;
    message.generation = generation;
    message.image_bytes = image_bytes;
    return say(message, descriptor) ? hear<Published>() : std::nullopt;
}

std::optional<Published> Client::amend(const Amend& message, std::span<const std::byte> bytes) {
    if (bytes.empty()) {
        return say(message) ? hear<Published>() : std::nullopt;
    }
    const FileDescriptor memfd = memfd_of(bytes);
    return say(message, memfd.get()) ? hear<Published>() : std::nullopt;
}

RunningIntake::RunningIntake()
    : counters_(must(CounterMemory::create(shape())))
    , publisher_(policies_, counters_, SlotMemory::populated)
    , intake_(must(ListeningSocket::open(folder_ / "socket")), publisher_, counters_)
    , stop_event_(::eventfd(0, EFD_CLOEXEC))
    , worker_([this] { work(); })
    , cold_([this] {
        const std::array<int, 1> wakeups = {stop_event_.get()};
        while (!intake_.serve(wakeups, std::chrono::milliseconds(50)).has_value()) {
        }
    }) {}

RunningIntake::~RunningIntake() {
    const std::uint64_t one = 1;
    (void)!::write(stop_event_.get(), &one, sizeof(one));
    cold_.join();
    stop_.store(true, std::memory_order_relaxed);
    worker_.join();
}

void RunningIntake::each_turn(std::function<void(const RunningPolicy&)> what) {
    each_turn_ = std::move(what);
}

void RunningIntake::work() noexcept {
    while (!stop_.load(std::memory_order_relaxed)) {
        if (!held_.load(std::memory_order_relaxed)) {
            const RunningPolicy* policy = policies_.take(0);
            const auto or_zero = [](const auto& part, auto number) {
                return part == nullptr ? std::uint64_t{0} : number(*part);
            };
            const auto of_policy = [&](auto number) {
                return or_zero(policy, number);
            };
            worker_generation_.store(
                of_policy([](const auto& p) { return p.generation.value; }),
                std::memory_order_relaxed
            );
            worker_overlay_.store(
                of_policy([&](const auto& p) {
                    return or_zero(p.overlay, [](const auto& o) { return o.checksum; });
                }),
                std::memory_order_relaxed
            );
            worker_shadow_.store(
                of_policy([&](const auto& p) {
                    return or_zero(p.shadow, [](const auto& s) { return s.shadow.number; });
                }),
                std::memory_order_relaxed
            );
            if (policy != nullptr && each_turn_) {
                each_turn_(*policy);
            }
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
}

}  // namespace portcullis::dataplane::test
