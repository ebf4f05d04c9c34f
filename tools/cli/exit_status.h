// What every command of the CLI ends with.
#pragma once

namespace portcullis::cli {

enum class ExitStatus : int {
    done = 0,
    no = 1,            // the answer is no: differences found, policy refused
    could_not_run = 2  // nothing is answered; what, why and the cure stand on stderr
};

}  // namespace portcullis::cli
