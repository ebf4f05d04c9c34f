// Up to 64 frames that a worker owns at once. Whoever holds a burst must let every frame leave by one door
// (transmit, or free) before the burst ends: a frame is never copied and never forgotten.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

struct rte_mbuf;

namespace portcullis::dataplane {

inline constexpr unsigned kBurstMax = 64;

class Burst {  // NOLINT(cppcoreguidelines-pro-type-member-init): see frames_
public:
    Burst() noexcept = default;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    ~Burst() = default;
    Burst(const Burst&) = delete;
    Burst& operator=(const Burst&) = delete;

    Burst(Burst&& other) noexcept
        : frames_(other.frames_)
        , count_(std::exchange(other.count_, 0)) {}

    Burst& operator=(Burst&& other) noexcept {
        frames_ = other.frames_;
        count_ = std::exchange(other.count_, 0);
        return *this;
    }

    // Where a receive function writes, and how many it wrote.
    [[nodiscard]] rte_mbuf** receive_into() noexcept { return frames_.data(); }

    void received(unsigned count) noexcept { count_ = count; }

    // Puts a frame behind the others. There is room: a worker never owns more than kBurstMax.
    void push(rte_mbuf* frame) noexcept { frames_[count_++] = frame; }

    [[nodiscard]] std::span<rte_mbuf* const> frames() const noexcept {
        return {frames_.data(), count_};
    }

    [[nodiscard]] unsigned size() const noexcept { return count_; }

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

    // Hands all frames over to the caller, who transmits or frees each; the burst is empty then.
    [[nodiscard]] std::span<rte_mbuf*> release() noexcept {
        return {frames_.data(), std::exchange(count_, 0)};
    }

private:
    std::array<rte_mbuf*, kBurstMax> frames_;  // only the first count_ are set
    unsigned count_ = 0;
};

}  // namespace portcullis::dataplane
