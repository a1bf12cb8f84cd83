// Where a sandbox is kept, for the parts of the API beside Sandbox itself; and what is said about one.
#pragma once

#include "base/result.h"
#include "cloche/sandbox.h"
#include "sandbox/home.h"

namespace cloche {

struct SandboxPlace {
  sandbox::Home home;
  SandboxInfo info;

  // As it is now. kNotFound where it was removed meanwhile.
  static Result<SandboxPlace> of(const Sandbox& sandbox) {
    auto home = TRY(sandbox::Home::open(sandbox.home_));
    SandboxInfo info = TRY(home.info(sandbox.id_));
    return SandboxPlace{std::move(home), std::move(info)};
  }
  std::string directory() const { return home.directory(info.id); }
  std::string run_directory() const { return home.run_directory(info.id); }

  // The result of `act`; its error with the sandbox's name and what was wanted in front.
  template <typename Act>
  auto about(std::string_view wanted, Act act) const -> decltype(act()) {
    auto result = act();
    if (result) return result;
    std::string context = "sandbox " + info.name;
    if (!wanted.empty()) context.append(": ").append(wanted);
    return std::unexpected(std::move(result).error().in(context));
  }
};

}  // namespace cloche
