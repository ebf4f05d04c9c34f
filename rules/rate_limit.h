// Token buckets of eight bytes: so many events at once, then one every so often (the virtual scheduling algorithm of
// ITU-T I.371 annex A, which needs one number a bucket). One writer; plain values.
#pragma once

#include <cstdint>

namespace portcullis {

struct RateLimit {
    std::uint64_t ticks_each = 1;  // of whatever clock `now` is read from, not 0
    std::uint64_t burst = 1;       // events that may come at once, not 0
};

class TokenBucket {
public:
    // Whether one more event may happen at `now`, which never goes back.
    [[nodiscard]] bool has_room(const RateLimit& limit, std::uint64_t now) const noexcept {
        return due_ <= now || due_ - now <= limit.ticks_each * (limit.burst - 1);
    }

    // It happens.
    void take(const RateLimit& limit, std::uint64_t now) noexcept {
        due_ = (due_ < now ? now : due_) + limit.ticks_each;
    }

private:
    std::uint64_t due_ = 0;  // when the bucket would be full again
};

}  // namespace portcullis
