#include "dataplane/named_stage.h"

#include "dataplane/worker_state.h"
#include "rules/decision.h"
#include "rules/image_lookup.h"
#include "rules/plain_parser.h"

#include <rte_prefetch.h>

#include <array>

namespace portcullis::dataplane {

namespace {

// They are written next. What is dropped in the first column has been asked for when the frame was read.
void ask_for_counters(const Slots& slots, std::uint32_t slot, const Outcome& outcome) noexcept {
    if (outcome.verdict == Verdict::pass) {
        rte_prefetch0(slots.sums() + slot);
    } else if (const unsigned column = slot_column(outcome.rule); column != 0) {
        rte_prefetch0(slots.dropped(column) + slot);
    }
}

// What differs between the families.
template <Family family>
struct Version;

template <>
struct Version<Family::ipv4> {
    using Address = std::uint32_t;
    using Entry = PrefixEntry4;

    static NamedFrames4& frames(WorkerState& state) noexcept { return state.named4; }

    static Address read_address(const std::uint8_t* header, PlainEnd end) noexcept {
        return static_cast<Address>(read_plain_address(Family::ipv4, header, end).high >> 32U);
    }

    static const auto& smarthosts(const ImageView& image) noexcept { return image.smarthosts4; }

    static bool may_be_smarthost(const ImageView& image, Address address) noexcept {
        return image.smarthost_screen4.may_have(address);
    }

    // Of an image or an overlay.
    template <typename Sets>
    static const auto& exemptions(const Sets& sets) noexcept {
        return sets.exemptions4;
    }
};

template <>
struct Version<Family::ipv6> {
    using Address = AddressWords;
    using Entry = PrefixEntry6;

    static NamedFrames6& frames(WorkerState& state) noexcept { return state.named6; }

    static Address read_address(const std::uint8_t* header, PlainEnd end) noexcept {
        return read_plain_address(Family::ipv6, header, end);
    }

    static const auto& smarthosts(const ImageView& image) noexcept { return image.smarthosts6; }

    static bool may_be_smarthost(const ImageView& image, const Address& /*address*/) noexcept {
        return !image.smarthosts6.tables.empty();
    }

    template <typename Sets>
    static const auto& exemptions(const Sets& sets) noexcept {
        return sets.exemptions6;
    }
};

// Whether any subscriber of the family is exempt from a rule.
template <Family family>
bool may_be_exempt(const ImageView& image) noexcept {
    return !Version<family>::exemptions(image).tables.empty()
           || (image.overlay != nullptr
               && !Version<family>::exemptions(*image.overlay).tables.empty());
}

// What becomes of frames, to be told to the next stages.
class Outcomes {
public:
    explicit Outcomes(WorkerState& state) noexcept
        : judged_(state.judged)
        , slots_(state.slots) {}

    // Of frame `i`.
    void set(unsigned i, const Outcome& outcome) noexcept {
        judged_.outcomes[i] = outcome;
        dropped_ |= static_cast<FrameSet>(outcome.verdict == Verdict::drop) << i;
        ask_for_counters(slots_, judged_.slots[i], outcome);
    }

    // Of all frames that were set; once.
    void tell() noexcept { judged_.dropped |= dropped_; }

private:
    JudgedBurst& judged_;
    const Slots slots_;
    FrameSet dropped_ = 0;
};

// Which rules name the ports, and which of them the class acts upon. Judges what neither a smarthost nor an exemption can
// save, and gathers the rest. Returns frames that may carry a tunnel.
template <Family family>
FrameSet gather(WorkerState& state, Direction direction, FrameSet which) noexcept {
    auto& out = Version<family>::frames(state);
    const ImageView& image = *state.image;
    const PortRules rules(image, direction);
    const PoolEntry* const pools = image.pools;
    const auto& classes = image.header->classes;
    const bool exempt = may_be_exempt<family>(image);
    const bool outbound = direction == Direction::outbound;
    const PlainEnd near = outbound ? PlainEnd::source : PlainEnd::destination;
    const PlainEnd far = outbound ? PlainEnd::destination : PlainEnd::source;
    const bool tunnels = image.header->tunnels != 0;
    constexpr std::uint32_t kIpBytes = family == Family::ipv4 ? wire::kIpv4Bytes : wire::kIpv6Bytes;
    Outcomes outcomes(state);
    FrameSet maybe_tunnels = 0;
    FrameSet initial_syns = 0;
    FrameSet notable = 0;
    FrameSet far_ends = 0;
    unsigned count = 0;
    while (which != 0) {
        const unsigned i = take_first(which);
        const std::uint8_t* const header = state.notes.ip_headers[i];
        const std::uint8_t* const ports = header + kIpBytes;
        const Transport transport = plain_transport(family, header);
        if (tunnels && transport == Transport::udp
            && is_tunnel_port(load_be16(ports), load_be16(ports + 2))) {
            maybe_tunnels |= frame_bit(i);
            continue;
        }
        const RuleSet named = rules.of_header(transport, ports);
        if (named == 0) {
            continue;
        }
        const ClassEntry& actions = classes[pools[state.judged.pools[i]].service_class.value];
        initial_syns |=
            static_cast<FrameSet>(
                transport == Transport::tcp && is_initial_syn(ports[wire::kTcpFlagsOffset])
            )
            << i;
        notable |= frame_bit(i);
        if (acting_rules(actions, named) == 0) {
            outcomes.set(i, class_allows(named));
            continue;
        }
        const auto far_end = Version<family>::read_address(header, far);
        const bool to_smarthost = Version<family>::may_be_smarthost(image, far_end);
        if (!exempt && !to_smarthost) {
            outcomes.set(i, weigh_rules(actions, named, 0, 0));
            continue;
        }
        auto& frame = out.frames[count];
        frame.subscriber = Version<family>::read_address(header, near);
        frame.far_end = far_end;
        frame.actions = &actions;
        frame.named = named;
        frame.smarthost = 0;
        frame.exempted = 0;
        frame.index = static_cast<std::uint8_t>(i);
        far_ends |= static_cast<FrameSet>(to_smarthost) << count;
        ++count;
    }
    outcomes.tell();
    out.count = count;
    out.far_ends = far_ends;
    state.judged.initial_syns |= initial_syns;
    state.judged.notable |= notable;
    return maybe_tunnels;
}

// Adds to `kRules` of each frame those of every prefix of `set` that contains `kAddress` of it, as find_prefixes() finds
// them.
template <typename Entry, auto kAddress, auto kRules, typename Set, typename Frame>
void find_prefixes_of_all(const Set& set, std::span<Frame> frames, FrameSet which) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only those of `which` are read
    std::array<const Entry*, kBurstMax> first;
    for (const PrefixTable& table : set.tables) {
        const AddressWords mask = mask_of(table.length);
        for (FrameSet left = which; left != 0;) {
            const unsigned k = take_first(left);
            const Entry masked = masked_entry(frames[k].*kAddress, mask, Entry{});
            first[k] = first_entry(table, set.entries, masked);
            rte_prefetch0(first[k]);
        }
        for (FrameSet left = which; left != 0;) {
            const unsigned k = take_first(left);
            const Entry masked = masked_entry(frames[k].*kAddress, mask, Entry{});
            if (const Entry* const found = find_entry(first[k], masked)) {
                frames[k].*kRules = static_cast<RuleSet>(frames[k].*kRules | found->rules);
            }
        }
    }
}

template <Family family>
FrameSet judge_family(WorkerState& state, Direction direction, FrameSet which) noexcept {
    using Entry = typename Version<family>::Entry;
    using Frame = NamedFrame<typename Version<family>::Address>;
    const ImageView& image = *state.image;
    const FrameSet maybe_tunnels = gather<family>(state, direction, which);
    const std::span<Frame> frames = Version<family>::frames(state).all();
    find_prefixes_of_all<Entry, &Frame::far_end, &Frame::smarthost>(
        Version<family>::smarthosts(image), frames, Version<family>::frames(state).far_ends
    );
    const auto add_exemptions = [frames](const auto& sets) {
        find_prefixes_of_all<Entry, &Frame::subscriber, &Frame::exempted>(
            Version<family>::exemptions(sets),
            frames,
            first_frames(static_cast<unsigned>(frames.size()))
        );
    };
    add_exemptions(image);
    if (image.overlay != nullptr) {
        add_exemptions(*image.overlay);
    }
    Outcomes outcomes(state);
    for (const Frame& frame : frames) {
        const RuleSet to_smarthost =
            frame.smarthost != 0 ? image.header->smarthost_rules : RuleSet{0};
        outcomes.set(
            frame.index, weigh_rules(*frame.actions, frame.named, to_smarthost, frame.exempted)
        );
    }
    outcomes.tell();
    return maybe_tunnels;
}

}  // namespace

FrameSet judge_named_frames(WorkerState& state, Direction direction, FrameSet which) noexcept {
    FrameSet maybe_tunnels = 0;
    if (const FrameSet ipv4 = which & state.notes.ipv4; ipv4 != 0) {
        maybe_tunnels |= judge_family<Family::ipv4>(state, direction, ipv4);
    }
    if (const FrameSet ipv6 = which & state.notes.ipv6; ipv6 != 0) {
        maybe_tunnels |= judge_family<Family::ipv6>(state, direction, ipv6);
    }
    return maybe_tunnels;
}

}  // namespace portcullis::dataplane
