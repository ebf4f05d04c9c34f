// A program that is spoken to line by line, through its standard input and output. One thread.
#pragma once

#include "dataplane/file_descriptor.h"
#include "rules/result.h"

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::bench {

class Dialogue {
public:
    // Starts `words`: the program, found as a shell finds it, and its arguments. It gets SIGKILL when this
    // process dies, and no SIGINT of the terminal.
    [[nodiscard]] static Result<Dialogue> start(const std::vector<std::string>& words);

    Dialogue(Dialogue&& other) noexcept;
    Dialogue& operator=(Dialogue&&) = delete;
    Dialogue(const Dialogue&) = delete;
    Dialogue& operator=(const Dialogue&) = delete;
    // Asks the program to end, waits for a moment, and kills it if need be.
    ~Dialogue();

    void say(std::string_view line);

    // What it writes until `mark` comes, the mark included. An error when it ends or is silent for
    // `patience`, or when a signal tells us to stop: with its last words.
    [[nodiscard]] Result<std::string> until(std::string_view mark, std::chrono::seconds patience);

    // Everything that it writes until it closes its output.
    [[nodiscard]] Result<std::string> all(std::chrono::seconds patience);

    [[nodiscard]] pid_t id() const noexcept { return id_; }

private:
    Dialogue(
        std::string name,
        pid_t id,
        dataplane::FileDescriptor in,
        dataplane::FileDescriptor out
    );

    [[nodiscard]] Error broken(const char* what) const;
    // Adds to heard_ what comes within a moment; false when it has closed its output.
    [[nodiscard]] bool hear();

    std::string name_;
    pid_t id_ = -1;                  // -1: collected, or moved from
    dataplane::FileDescriptor in_;   // its standard input
    dataplane::FileDescriptor out_;  // its standard output and error
    std::string heard_;              // and not yet returned
    std::string last_words_;
};

}  // namespace portcullis::bench
