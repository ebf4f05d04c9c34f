#include "tests/rules/image_probe.h"

#include "rules/decision.h"
#include "tests/rules/frame_builder.h"

#include <vector>

namespace portcullis::test {

namespace {

// Frames that touch every table of an image.
std::vector<Bytes> probing_frames() {
    std::vector<Bytes> out;
    for (const char* source : {"100.64.7.9", "100.64.8.1", "203.0.113.1", "0.0.0.0"}) {
        for (const char* destination : {"192.0.2.25", "255.255.255.255"}) {
            for (const std::uint16_t port : {std::uint16_t{25}, std::uint16_t{65'535}}) {
                out.push_back(FrameBuilder()
                                  .ethernet()
                                  .ipv4({.source = source, .destination = destination})
                                  .tcp(port, port)
                                  .bytes());
            }
        }
    }
    for (const char* source : {"2001:db8:1::9", "2001:db8:1:2:3:4:5:6", "ffff::1", "::"}) {
        for (const char* destination : {"64:ff9b::c000:219", "2001:db8:25::1"}) {
            out.push_back(FrameBuilder()
                              .ethernet()
                              .ipv6({.source = source, .destination = destination})
                              .ipv4({.source = "100.64.7.10"})
                              .tcp(25, 25)
                              .bytes());
        }
    }
    return out;
}

}  // namespace

std::string harm_of(const ImageView& view) {
    static const std::vector<Bytes> kFrames = probing_frames();
    for (const Bytes& frame : kFrames) {
        for (const Direction direction : {Direction::outbound, Direction::inbound}) {
            const FrameBytes bytes{frame.data(), static_cast<std::uint32_t>(frame.size())};
            const Judgement judgement = judge_frame(view, bytes, direction);
            const std::uint8_t rule = judgement.outcome.rule;
            if (rule != kNoRule && rule >= view.header->rule_count) {
                return "a rule that the image does not have: " + std::to_string(rule);
            }
            const SlotIndex slot = dense_slot(view, judgement.attribution);
            if (slot.value >= view.header->slot_count) {
                return "a slot that the image does not have: " + std::to_string(slot.value);
            }
        }
    }
    return "";
}

}  // namespace portcullis::test
