// Where the frames of the peers in the kernel come from: they enter its network stack as if a device had received them.
//
// BPF_PROG_TEST_RUN with live frames makes copies of one frame, runs this over each, and hands them to the stack. It
// gives the frame the subscriber and the port that it would have had on a wire.
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct config {
    __u64 random;
    __u32 pool4_first;
    __u32 pool6_first;     // the high half of the first IPv6 address; the /56 is in the next 24 bits
    __u32 subscribers;
    __u32 smtp_threshold;  // a frame is SMTP when 32 random bits are below it
    __u32 inbound;         // the subscriber is the destination, and port 25 the source
    __u32 reserved;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct config);
} configs SEC(".maps");

static __always_inline __u32 next_random(struct config *config) {
    config->random = config->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (__u32)(config->random >> 32);
}

static __always_inline void set_port(struct config *config, __be16 *ports) {
    const __be16 port = next_random(config) < config->smtp_threshold ? bpf_htons(25) : bpf_htons(443);
    if (config->inbound) {
        ports[0] = port;
    } else {
        ports[1] = port;
    }
}

SEC("xdp")
int frame_source(struct xdp_md *context) {
    const __u32 first = 0;
    void *data = (void *)(long)context->data;
    void *end = (void *)(long)context->data_end;
    struct config *config = bpf_map_lookup_elem(&configs, &first);
    if (!config || data + 14 + 20 + 4 > end) {
        return XDP_ABORTED;
    }
    const __u32 subscriber = (__u32)(((__u64)next_random(config) * config->subscribers) >> 32);
    __u8 *ip = data + 14;
    if (*(__be16 *)(data + 12) == bpf_htons(0x0800)) {
        *(__be32 *)(ip + (config->inbound ? 16 : 12)) = bpf_htonl(config->pool4_first + subscriber);
        set_port(config, (__be16 *)(ip + 20));
        return XDP_PASS;
    }
    if (data + 14 + 40 + 4 > end) {
        return XDP_ABORTED;
    }
    __be32 *address = (__be32 *)(ip + (config->inbound ? 24 : 8));
    address[0] = bpf_htonl(config->pool6_first);
    address[1] = bpf_htonl(subscriber << 8);
    set_port(config, (__be16 *)(ip + 40));
    return XDP_PASS;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
