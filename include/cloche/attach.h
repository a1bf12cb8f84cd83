// Attachment: the streams of a sandbox's own command, live. What it wrote before is kept (Sandbox::output).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cloche/config.h"
#include "cloche/result.h"
#include "cloche/sandbox.h"

namespace cloche {

enum class EndOfInput : uint8_t {
  kKept,      // Nothing: the command's input stays open for others.
  kPassedOn,  // The command's input ends, for everybody.
};

struct AttachConfig {
  // The caller's ends of the streams; -1 is /dev/null. They are used without being changed. Of a command with a
  // terminal, all output comes on `output`.
  StandardStreams streams{};
  // Whether `streams.input` is read. It is not where the command was given no input (SandboxConfig::vm).
  Input input = Input::kCarried;
  EndOfInput end_of_input = EndOfInput::kKept;
  // Bytes that, typed one after the other, detach: they and what follows them are not passed on. Empty: there are none.
  std::string detach_keys{};
  // What the command's terminal, if it has one, is resized to at the beginning.
  std::optional<TerminalSize> size{};
  // Instead of the descriptors above, where given: called with output as it comes, on the thread that serves.
  std::function<void(std::span<const std::byte>)> on_output{}, on_error{};
};

struct AttachOutcome {
  bool is_detached = false;  // The detach keys were typed; the command goes on.
  ExitStatus status{};       // Of the command, otherwise.
  std::string text{};        // For kLost: one sentence for people.
};

class ExecClient;

// One thread at a time; as many attachments to one command as one likes, up to 32. Destroying it detaches: the command
// goes on. Whoever takes output too slowly, a MiB behind the command, is cut off (an error): it waits for nobody.
class Attachment {
 public:
  // kUnavailable where the sandbox does not run, or has no command of its own.
  static Result<Attachment> create(const Sandbox& sandbox, AttachConfig config,
                                   Sandbox::Deadline deadline = Sandbox::kUsual);
  Attachment(Attachment&&) noexcept;
  Attachment& operator=(Attachment&&) noexcept;
  ~Attachment();

  // Carries the streams until the command or the sandbox has ended or the detach keys were typed; or, with `until`, a
  // descriptor, until that is readable (then empty).
  Result<std::optional<AttachOutcome>> serve(int until = -1);
  Result<AttachOutcome> wait();
  // To the command's process group.
  Result<void> signal(int number);
  Result<void> resize(TerminalSize size);

 private:
  Attachment(Sandbox sandbox, std::unique_ptr<ExecClient> client);
  Sandbox sandbox_;
  std::unique_ptr<ExecClient> client_;
};

}  // namespace cloche
