// Reads the headers of a frame for the reference model: byte by byte, top to bottom, as a person with the
// RFCs beside them would. Shares nothing with frame_parser but the limits of key.h, so that the two can
// contradict each other. Cold: tests, fuzzers and `explain` run it, workers never.
#pragma once

#include "rules/key.h"
#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/verdict.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace portcullis {

struct ReferencePorts {
    std::uint16_t source = 0;
    std::uint16_t destination = 0;
};

// One IP header, or the finding that there is none where one could have been.
struct ReferenceHeader {
    std::vector<std::string>
        layers;  // what was walked to get here, from the outside in, this one last
    Family family = Family::none;  // none: not IP, or not readable as IP
    Address source;
    Address destination;
    std::uint8_t protocol = 0;            // behind extension headers
    std::optional<ReferencePorts> ports;  // of TCP or UDP
    Fragment fragment = Fragment::whole;
    bool source_routed = false;  // addressed to a waypoint, not yet to its last destination
    bool initial_syn = false;
    std::set<Reason> faults;  // the highest-ranked first
};

// One frame while it is read. Offsets count from the first byte of the frame; `end` is always where the
// enclosing header says that its payload ends. Every read_ function reads one header, adds what it finds to
// headers_, and goes on to the next one by itself.
class ReferenceReader {
public:
    ReferenceReader(std::span<const std::uint8_t> frame, TunnelSet tunnels)
        : frame_(frame)
        , tunnels_(tunnels) {}

    // All headers that count: the outermost (always there, with Family::none if the frame is not IP), then
    // those inside the tunnels it nests, from the outside in. Call once.
    [[nodiscard]] std::vector<ReferenceHeader> run();

private:
    // Where something that is looked for stands.
    enum class Presence {
        there,
        cut,     // whatever encloses it ends first
        too_far  // it is enclosed, but not in the first kHeaderBytesMax bytes of the frame
    };

    // Bytes. The u functions want a look() that said `there` before.
    [[nodiscard]] Presence look(std::size_t at, std::size_t count, std::size_t end) const;
    [[nodiscard]] unsigned u8(std::size_t at) const;
    [[nodiscard]] unsigned u16(std::size_t at) const;
    [[nodiscard]] unsigned u32(std::size_t at) const;
    [[nodiscard]] Address address(std::size_t at, Family family) const;

    // Findings.
    void walked(const std::string& layer);
    void found(ReferenceHeader header);
    // There is no IP header here, because of a fault or because it is something else.
    void no_ip_header(std::optional<Reason> fault);
    // There is none because it is something else, as its first bytes say; but only if they can be believed.
    void something_else(std::size_t at);
    // Whether `count` bytes at `at` can be read; if not, that is the end of the way.
    [[nodiscard]] bool
    there_or_end(std::size_t at, std::size_t count, std::size_t end, Reason if_cut);
    // The same where bytes that are not there mean that this is something else, and no fault. But what a
    // first fragment does not hold comes in another one, so there it is a fault all the same.
    [[nodiscard]] bool
    there_or_other(std::size_t at, std::size_t count, std::size_t end, Reason if_cut);

    // The link layer: reference_reader.cc.
    void read_ethernet(std::size_t at, std::size_t end);
    void read_llc(std::size_t at, std::size_t end);
    void read_ether_type(unsigned type, std::size_t at, std::size_t end);
    void read_mpls(std::size_t at, std::size_t end);
    void read_behind_labels(std::size_t at, std::size_t end);
    void read_pppoe(std::size_t at, std::size_t end);

    // IP and its ports: reference_reader_ip.cc. The bool ones say whether there is a payload to read, and
    // move `at` to it.
    void read_ipv4(std::size_t at, std::size_t end);
    void read_options(ReferenceHeader& header, std::size_t at, std::size_t end) const;
    [[nodiscard]] bool rewrites_headers(const ReferenceHeader& header, std::size_t offset) const;
    void begin_fragmented_part(std::size_t at);
    [[nodiscard]] bool
    skip_authentication(ReferenceHeader& header, std::size_t& at, std::size_t end);
    void read_ipv6(std::size_t at, std::size_t end);
    [[nodiscard]] bool
    skip_extension_headers(ReferenceHeader& header, std::size_t& at, std::size_t end);
    void read_payload(ReferenceHeader header, std::size_t at, std::size_t end);
    void read_ports(ReferenceHeader& header, std::size_t at, std::size_t end) const;

    // Tunnels: reference_reader_tunnels.cc.
    [[nodiscard]] bool enabled(Tunnel tunnel) const;
    [[nodiscard]] std::optional<Tunnel> tunnel_of(const ReferenceHeader& header) const;
    void read_tunnel(Tunnel tunnel, std::size_t at, std::size_t end);
    void read_gre(std::size_t at, std::size_t end);
    void read_teredo(std::size_t at, std::size_t end);
    void read_vxlan(std::size_t at, std::size_t end);

    std::span<const std::uint8_t> frame_;
    TunnelSet tunnels_;
    // What the frame has spent of its budgets.
    unsigned vlan_tags_ = 0;
    unsigned mpls_labels_ = 0;
    unsigned extension_headers_ = 0;
    unsigned nested_ = 0;
    bool in_first_fragment_ = false;  // a header outside the one being read is a first fragment
    // In a first fragment, this byte of the frame is the first that a later fragment can rewrite.
    std::size_t rewritable_from_ = kFrameBytesMax;
    std::vector<std::string> layers_;
    std::vector<ReferenceHeader> headers_;
};

}  // namespace portcullis
