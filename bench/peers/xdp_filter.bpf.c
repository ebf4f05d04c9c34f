// The peer "xdp": what an XDP program needs to do the same for IPv4. Compiled for the kernel's virtual machine.
//
// Drops TCP 25 unless it goes to a smarthost or comes from an exempt subscriber, and NetBIOS/SMB; counts frames and
// bytes of every subscriber. It reads VLAN and QinQ tags, IPv4 options and fragments; no IPv6, MPLS, PPPoE or tunnels,
// which the dataplane does read. BPF_PROG_TEST_RUN runs it over one frame again and again, so it first gives
// the frame the subscriber and the port that it would have had on a wire.
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct config {
    __u64 random;
    __u32 pool_first;      // of the IPv4 pool
    __u32 subscribers;
    __u32 smtp_threshold;  // a frame is SMTP when 32 random bits are below it
    __u32 reserved;
};

struct counters {
    __u64 passed_frames, passed_bytes, dropped_frames, dropped_bytes;
};

// One for the processor that the program runs on.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct config);
} configs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);  // set before it is loaded: subscribers
    __type(key, __u32);
    __type(value, struct counters);
} slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);  // set before it is loaded
    __type(key, __u32);
    __type(value, __u8);
} exempt SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);  // set before it is loaded
    __type(key, __u32);
    __type(value, __u8);
} smarthosts SEC(".maps");

struct ipv4 {
    __u8 version_ihl, tos;
    __be16 length, id, fragment;
    __u8 ttl, protocol;
    __be16 checksum;
    __be32 source, destination;
};

static __always_inline __u32 next_random(struct config *config) {
    config->random = config->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (__u32)(config->random >> 32);
}

static __always_inline int is_dropped(__u32 source, __u32 destination, __u8 protocol, __u16 port) {
    if (protocol == 6 && port == 25) {
        return !bpf_map_lookup_elem(&smarthosts, &destination) && !bpf_map_lookup_elem(&exempt, &source);
    }
    return (port >= 137 && port <= 139) || port == 445;
}

SEC("xdp")
int filter(struct xdp_md *context) {
    const __u32 first = 0;
    void *data = (void *)(long)context->data;
    void *end = (void *)(long)context->data_end;
    struct config *config = bpf_map_lookup_elem(&configs, &first);
    if (!config || data + 14 > end) {
        return XDP_ABORTED;
    }
    __u32 offset = 14;
    __be16 type = *(__be16 *)(data + 12);
#pragma unroll
    for (int tag = 0; tag < 2; ++tag) {
        if (type == bpf_htons(0x8100) || type == bpf_htons(0x88A8)) {
            if (data + offset + 4 > end) {
                return XDP_DROP;
            }
            type = *(__be16 *)(data + offset + 2);
            offset += 4;
        }
    }
    struct ipv4 *ip = data + offset;
    if (type != bpf_htons(0x0800) || (void *)(ip + 1) > end) {
        return XDP_PASS;
    }
    __u32 header_bytes = (ip->version_ihl & 15) * 4;
    __be16 *ports = (void *)ip + header_bytes;
    if (header_bytes < 20 || (void *)(ports + 2) > end) {
        return XDP_DROP;
    }
    __u32 subscriber = (__u32)(((__u64)next_random(config) * config->subscribers) >> 32);
    ip->source = bpf_htonl(config->pool_first + subscriber);
    ports[1] = next_random(config) < config->smtp_threshold ? bpf_htons(25) : bpf_htons(443);

    __u32 slot = bpf_ntohl(ip->source) - config->pool_first;
    struct counters *counters = bpf_map_lookup_elem(&slots, &slot);
    if (!counters) {
        return XDP_DROP;
    }
    __u64 bytes = end - data;
    int first_fragment = (ip->fragment & bpf_htons(0x1FFF)) == 0;
    if (first_fragment && (ip->protocol == 6 || ip->protocol == 17)
        && is_dropped(ip->source, ip->destination, ip->protocol, bpf_ntohs(ports[1]))) {
        counters->dropped_frames += 1;
        counters->dropped_bytes += bytes;
        return XDP_DROP;
    }
    counters->passed_frames += 1;
    counters->passed_bytes += bytes;
    return XDP_TX;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
