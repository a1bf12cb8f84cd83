#include "cloche/attach.h"

#include "api/sandbox_place.h"
#include "sandbox/exec_client.h"

namespace cloche {
namespace {

// A sandbox whose connection is gone has ended, but for what its process still has to write down.
constexpr std::chrono::seconds kEndPatience{10};

// How a sandbox ended whose command did not tell.
AttachOutcome outcome_of(const SandboxInfo& info) {
  if (info.status == SandboxStatus::kExited && info.signal != 0)
    return {.status = {EndedBy::kSignal, info.signal, LostReason::kNone}};
  if (info.status == SandboxStatus::kExited && info.reason.empty())
    return {.status = {EndedBy::kExit, info.exit_code, LostReason::kNone}};
  std::string text = "sandbox " + info.name + ": " + (info.reason.empty() ? "it has ended" : info.reason);
  bool stopped = info.status == SandboxStatus::kStopped;
  return {.status = {EndedBy::kLost, 0, stopped ? LostReason::kStopped : LostReason::kVmmDied},
          .text = std::move(text)};
}

}  // namespace

Attachment::Attachment(Sandbox sandbox, std::unique_ptr<ExecClient> client)
    : sandbox_(std::move(sandbox)), client_(std::move(client)) {}
Attachment::Attachment(Attachment&&) noexcept = default;
Attachment& Attachment::operator=(Attachment&&) noexcept = default;
Attachment::~Attachment() = default;

Result<Attachment> Attachment::create(const Sandbox& sandbox, AttachConfig config, Sandbox::Deadline deadline) {
  auto until = sandbox::Clock::now() + deadline;
  SandboxPlace place = TRY(SandboxPlace::of(sandbox));
  return place.about("attach to it", [&]() -> Result<Attachment> {
    auto control = TRY(sandbox::ControlClient::connect(place.run_directory()));
    TRY(control.ask(wire::ControlFrame::kAttach, until));
    const Config& vm = place.info.config.vm;
    bool has_input = vm.input == Input::kCarried || vm.terminal;
    ExecConfig streams{.streams = config.streams,
                       .input = has_input ? config.input : Input::kNone,
                       .on_output = std::move(config.on_output),
                       .on_error = std::move(config.on_error)};
    auto client = ExecClient::attach(
        sandbox::Peer(control.release()), std::move(streams),
        {.ends_input = config.end_of_input == EndOfInput::kPassedOn, .detach_keys = std::move(config.detach_keys)});
    if (config.size && vm.terminal) TRY(client->resize(*config.size));
    return Attachment(sandbox, std::move(client));
  });
}

Result<std::optional<AttachOutcome>> Attachment::serve(int until) {
  auto outcome = client_->serve(until);
  if (!outcome && outcome.error().code == ErrorCode::kUnavailable) return outcome_of(TRY(sandbox_.wait(kEndPatience)));
  if (!outcome) return std::unexpected(std::move(outcome).error());
  if (client_->is_detached()) return AttachOutcome{.is_detached = true};
  if (!*outcome) return std::nullopt;
  return AttachOutcome{.status = (*outcome)->status, .text = std::move((*outcome)->text)};
}

Result<AttachOutcome> Attachment::wait() {
  for (;;)
    if (auto outcome = TRY(serve(-1))) return std::move(*outcome);
}

Result<void> Attachment::signal(int number) { return client_->signal(number); }
Result<void> Attachment::resize(TerminalSize size) { return client_->resize(size); }

}  // namespace cloche
