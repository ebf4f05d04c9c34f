// Who stands at the other end of a Unix socket, by the kernel's word, and whether they may change anything.
// Any thread.
#pragma once

#include "rules/result.h"

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace portcullis {

// As they were when they connected.
struct Peer {
    uid_t uid = 0;
    std::string user;           // "uid 1234" when the system knows no name
    std::vector<gid_t> groups;  // the primary one first
};

// SO_PEERCRED and SO_PEERGROUPS of a connected Unix socket; nobody for a socket of another kind.
[[nodiscard]] std::optional<Peer> peer_of(int socket);

// What the system calls a user; "uid 1234" when it knows no name.
[[nodiscard]] std::string user_name(uid_t uid);

// The group called `name`, or of that number.
[[nodiscard]] Result<gid_t> find_group(const std::string& name);

// Root, the user that this process runs as, and members of a group may change things.
class ChangeRights {
public:
    explicit ChangeRights(std::optional<gid_t> admin_group);

    [[nodiscard]] bool may_change(const Peer& peer) const noexcept;

    [[nodiscard]] const std::optional<gid_t>& admin_group() const noexcept { return admin_group_; }

private:
    uid_t own_user_;
    std::optional<gid_t> admin_group_;
};

}  // namespace portcullis
