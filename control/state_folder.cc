#include "control/state_folder.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <system_error>

namespace portcullis {

Result<FileDescriptor> claim_state_folder(const std::filesystem::path& folder) {
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    const std::filesystem::path path = folder / "lock";
    FileDescriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
    if (failure || !lock) {
        const std::error_code why =
            failure ? failure : std::error_code(errno, std::generic_category());
        return Error{
            {},
            "cannot write to the state folder " + folder.string() + ": " + why.message(),
            "give a folder of this user with --state, or leave it out"};
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        return Error{
            {},
            "another portcullis-control uses the state folder " + folder.string(),
            "stop that one, or give another folder with --state"};
    }
    return lock;
}

}  // namespace portcullis
