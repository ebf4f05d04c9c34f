#include "dataplane/link_mirror.h"

namespace portcullis::dataplane {

// A side that has had a link and lost it is mirrored at once; one that has had none yet has time to settle.
std::optional<LinkMirror::Change>
LinkMirror::look(const std::array<bool, 2>& has_link, Time now) noexcept {
    if (taken_down_.has_value()) {
        const std::size_t side = *taken_down_;
        if (!has_link[1 - side]) {
            return std::nullopt;
        }
        taken_down_.reset();
        let_up_at_[side] = now;
        had_link_ = {side != 0, side != 1};
        return Change{side, true};
    }
    for (const std::size_t side : {std::size_t{0}, std::size_t{1}}) {
        had_link_[side] = had_link_[side] || has_link[side];
        const bool settled = had_link_[side] || now - let_up_at_[side] >= kSettle;
        if (!has_link[side] && settled) {
            taken_down_ = 1 - side;
            return Change{1 - side, false};
        }
    }
    return std::nullopt;
}

}  // namespace portcullis::dataplane
