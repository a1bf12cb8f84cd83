// cloche_sandbox: a handle of a sandbox. All state is the sandbox's own, so that any thread may use one.
#include <memory>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/place.h"
#include "capi/texts.h"

using cloche::Result;
using cloche::Sandbox;
using namespace cloche::capi;

namespace {

std::string home_of(const char* home) { return home == nullptr ? "" : home; }

// What `made` holds becomes the caller's.
Result<void> hand_out(Result<Sandbox> made, cloche_sandbox** to) {
  if (!made) return std::unexpected(std::move(made).error());
  *to = new cloche_sandbox{std::move(*made)};
  return {};
}

template <typename Act>
cloche_code with(cloche_sandbox* sandbox, cloche_error** error, Act act) {
  return guarded(error, [&]() -> Result<void> {
    if (sandbox == nullptr) return missing("sandbox");
    return act(sandbox->sandbox);
  });
}

}  // namespace

extern "C" {

cloche_code cloche_sandbox_create(const cloche_config* config, const char* home, cloche_sandbox** sandbox,
                                  cloche_error** error) {
  return guarded(error, [&]() -> Result<void> {
    if (config == nullptr) return missing("config");
    if (sandbox == nullptr) return missing("sandbox");
    cloche::SandboxConfig made = config->sandbox;
    made.vm = placed(std::move(made.vm));
    return hand_out(Sandbox::create(std::move(made), home_of(home)), sandbox);
  });
}

cloche_code cloche_sandbox_open(const char* name, const char* home, cloche_sandbox** sandbox, cloche_error** error) {
  return guarded(error, [&]() -> Result<void> {
    if (name == nullptr) return missing("name");
    if (sandbox == nullptr) return missing("sandbox");
    return hand_out(Sandbox::open(name, home_of(home)), sandbox);
  });
}

void cloche_sandbox_free(cloche_sandbox* sandbox) { delete sandbox; }

const char* cloche_sandbox_id(const cloche_sandbox* sandbox) {
  return sandbox == nullptr ? "" : sandbox->sandbox.id().c_str();
}

cloche_code cloche_sandbox_start(cloche_sandbox* sandbox, cloche_error** error) {
  return with(sandbox, error, [](Sandbox& it) { return it.start(); });
}

cloche_code cloche_sandbox_stop(cloche_sandbox* sandbox, int64_t grace_ms, cloche_error** error) {
  return with(sandbox, error, [&](Sandbox& it) -> Result<void> {
    auto grace = limit_of(grace_ms);
    if (!grace) return std::unexpected(std::move(grace).error());
    auto info = it.info();
    if (!info) return std::unexpected(std::move(info).error());
    return it.stop(*grace, grace->value_or(info->config.stop_grace) + Sandbox::kUsual);
  });
}

cloche_code cloche_sandbox_kill(cloche_sandbox* sandbox, cloche_error** error) {
  return with(sandbox, error, [](Sandbox& it) { return it.kill(); });
}

cloche_code cloche_sandbox_wait(cloche_sandbox* sandbox, int64_t timeout_ms, cloche_info** info, cloche_error** error) {
  return with(sandbox, error, [&](Sandbox& it) -> Result<void> {
    auto limit = limit_of(timeout_ms);
    if (!limit) return std::unexpected(std::move(limit).error());
    auto last = it.wait(*limit);
    if (!last) return std::unexpected(std::move(last).error());
    if (info != nullptr) *info = new cloche_info{std::move(*last)};
    return {};
  });
}

cloche_code cloche_sandbox_pause(cloche_sandbox* sandbox, cloche_error** error) {
  return with(sandbox, error, [](Sandbox& it) { return it.pause(); });
}

cloche_code cloche_sandbox_resume(cloche_sandbox* sandbox, cloche_error** error) {
  return with(sandbox, error, [](Sandbox& it) { return it.resume(); });
}

cloche_code cloche_sandbox_signal(cloche_sandbox* sandbox, int number, cloche_error** error) {
  return with(sandbox, error, [&](Sandbox& it) { return it.signal(number); });
}

cloche_code cloche_sandbox_remove(cloche_sandbox* sandbox, cloche_error** error) {
  return with(sandbox, error, [](Sandbox& it) { return it.remove(); });
}

cloche_code cloche_sandbox_info(cloche_sandbox* sandbox, cloche_info** info, cloche_error** error) {
  return with(sandbox, error, [&](Sandbox& it) -> Result<void> {
    if (info == nullptr) return missing("info");
    auto seen = it.info();
    if (!seen) return std::unexpected(std::move(seen).error());
    *info = new cloche_info{std::move(*seen)};
    return {};
  });
}

}  // extern "C"
