#include "control/peer.h"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace portcullis {

namespace {

// What getpwuid_r() and getgrnam_r() may write to; a group with more members than fit is found by number only.
using NameBuffer = std::array<char, 65'536>;

std::vector<gid_t> groups_of(int socket) {
    socklen_t bytes = 0;
    // Tells how many there are; ERANGE is no failure then.
    ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &bytes);
    std::vector<gid_t> out(bytes / sizeof(gid_t));
    if (!out.empty() && ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, out.data(), &bytes) != 0) {
        return {};
    }
    out.resize(std::min(out.size(), std::size_t{bytes} / sizeof(gid_t)));
    return out;
}

}  // namespace

std::optional<Peer> peer_of(int socket) {
    int family = 0;
    socklen_t bytes = sizeof(family);
    if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &bytes) != 0 || family != AF_UNIX) {
        return std::nullopt;
    }
    ucred credentials{};
    bytes = sizeof(credentials);
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
        return std::nullopt;
    }
    Peer out;
    out.uid = credentials.uid;
    out.user = user_name(credentials.uid);
    out.groups = groups_of(socket);
    out.groups.insert(out.groups.begin(), credentials.gid);
    return out;
}

std::string user_name(uid_t uid) {
    NameBuffer buffer;
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
        return found->pw_name;
    }
    return "uid " + std::to_string(uid);
}

Result<gid_t> find_group(const std::string& name) {
    gid_t number = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (failure == std::errc{} && end == name.data() + name.size()) {
        return number;
    }
    NameBuffer buffer;
    group entry{};
    group* found = nullptr;
    if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0
        || found == nullptr) {
        return Error{
            {}, "there is no group \"" + name + "\"", "make it with groupadd, or name another"};
    }
    return found->gr_gid;
}

ChangeRights::ChangeRights(std::optional<gid_t> admin_group)
    : own_user_(::geteuid())
    , admin_group_(admin_group) {}

bool ChangeRights::may_change(const Peer& peer) const noexcept {
    return peer.uid == 0 || peer.uid == own_user_
           || (admin_group_
               && std::find(peer.groups.begin(), peer.groups.end(), *admin_group_)
                      != peer.groups.end());
}

}  // namespace portcullis
