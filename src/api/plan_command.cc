// The command: its arguments, environment, user and names.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "api/plan.h"
#include "base/fd.h"
#include "cloche/hostname.h"

namespace cloche {
namespace {

constexpr size_t kMaxPasswd = 1 << 20;  // An /etc/passwd is far smaller; bounds what a strange root makes us read.
constexpr uint32_t kNobodyAtAll = UINT32_MAX;  // (uid_t)-1: "leave as it is" to the system calls.
constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Sets "NAME=value", in the place of an earlier value.
void set_variable(std::vector<std::string>& environment, std::string variable) {
  std::string_view name = std::string_view(variable).substr(0, variable.find('=') + 1);
  auto found = std::ranges::find_if(environment, [&](const std::string& each) { return each.starts_with(name); });
  if (found != environment.end())
    *found = std::move(variable);
  else
    environment.push_back(std::move(variable));
}

struct Account {
  uint32_t gid = 0;
  std::string home;
};

// The line of `uid` in an /etc/passwd: name:x:uid:gid:comment:home:shell.
std::optional<Account> find_account(std::string_view passwd, uint32_t uid) {
  for (size_t at = 0; at < passwd.size();) {
    size_t end = std::min(passwd.find('\n', at), passwd.size());
    std::string_view line = passwd.substr(at, end - at);
    at = end + 1;
    std::vector<std::string_view> fields;
    for (size_t start = 0; start <= line.size();) {
      size_t colon = std::min(line.find(':', start), line.size());
      fields.push_back(line.substr(start, colon - start));
      start = colon + 1;
    }
    if (fields.size() < 6) continue;
    auto number = [](std::string_view text) {
      uint32_t value = kNobodyAtAll;
      auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      return error == std::errc() && stop == text.data() + text.size() ? value : kNobodyAtAll;
    };
    if (number(fields[2]) == uid && uid != kNobodyAtAll) return Account{number(fields[3]), std::string(fields[5])};
  }
  return std::nullopt;
}

// The root may be anybody's, so its passwd is opened without waiting (a FIFO) and without following a link; without it
// there are no accounts.
std::string read_passwd(const Plan& plan) {
  if (plan.vm.root == wire::RootKind::kEmpty) return {};
  if (plan.vm.root == wire::RootKind::kDisk) return {};  // Nobody but the guest looks into a disk.
  auto fd = open_file(plan.vm.root_path + "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
  struct stat status{};
  if (!fd || ::fstat(fd->get(), &status) < 0 || !S_ISREG(status.st_mode)) return {};
  std::string text(std::min<size_t>(static_cast<size_t>(status.st_size), kMaxPasswd), '\0');
  text.resize(read_full(fd->get(), std::as_writable_bytes(std::span(text))).value_or(0));
  return text;
}

}  // namespace

Result<void> plan_command(const Config& config, Plan& plan) {
  wire::Start& start = plan.vm.start;
  if (plan.vm.boot.is_guests) return {};
  if (config.arguments.empty() || config.arguments[0].empty())
    return fail(ErrorCode::kInvalidArgument,
                "no command to run; give one after the flags: cloche run -- COMMAND ARGUMENT...");
  if (!is_hostname(config.hostname))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("hostname '{}': must be letters, digits, hyphens and dots, {} characters at most",
                            config.hostname, kMaxHostname));
  if (config.terminal) {
    start.streams = wire::Streams::kTerminal;
    start.rows = config.terminal->rows;
    start.columns = config.terminal->columns;
  }
  start.arguments = config.arguments;
  start.hostname = config.hostname;
  return {};
}

Result<void> plan_user(const Config& config, Plan& plan) {
  wire::Start& start = plan.vm.start;
  if (plan.vm.boot.is_guests) return {};
  Account account{.gid = config.user.uid, .home = "/"};
  if (config.user.uid == 0)
    account.home = "/root";
  else if (auto found = find_account(read_passwd(plan), config.user.uid))
    account = *found;
  start.uid = config.user.uid;
  start.gid = config.user.gid.value_or(account.gid);
  if (start.uid == kNobodyAtAll || start.gid == kNobodyAtAll)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("user {}: {} is not a user or group", config.user.uid, kNobodyAtAll));
  start.environment = {fmt::format("PATH={}", kPath), "HOME=" + account.home, "HOSTNAME=" + config.hostname};
  if (config.terminal) start.environment.emplace_back("TERM=xterm");
  for (const std::string& variable : config.environment) {
    size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::kInvalidArgument, fmt::format("environment '{}': must be NAME=value", variable));
    set_variable(start.environment, variable);
  }
  return {};
}

}  // namespace cloche
