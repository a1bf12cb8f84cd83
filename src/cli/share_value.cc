// The value of --volume: HOST:GUEST[:OPTION[,OPTION...]].
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "cli/values.h"

namespace cloche::cli {
namespace {

constexpr size_t kMostInjected = 16 << 20;

struct Choice {
  std::string_view name;
  void (*choose)(Share&);
};

constexpr uint32_t kUsualDaxMib = 256;

constexpr std::array<Choice, 10> kChoices{{
    {"ro", [](Share& share) { share.access = Access::kReadOnly; }},
    {"rw", [](Share& share) { share.access = Access::kReadWrite; }},
    {"cache=none", [](Share& share) { share.cache = ShareCache::kNone; }},
    {"cache=auto", [](Share& share) { share.cache = ShareCache::kAuto; }},
    {"cache=always", [](Share& share) { share.cache = ShareCache::kAlways; }},
    {"devices", [](Share& share) { share.device_nodes = DeviceNodes::kAllowed; }},
    {"acl", [](Share& share) { share.acls = ShareAcls::kEnforced; }},
    {"locks=guest", [](Share& share) { share.locks = ShareLocks::kGuest; }},
    {"locks=host", [](Share& share) { share.locks = ShareLocks::kHost; }},
    {"dax", [](Share& share) { share.dax_window_mib = kUsualDaxMib; }},
}};

// "GUEST/HOST" or "GUEST/HOST/COUNT".
bool parse_range(std::string_view text, IdRange& range) {
  std::array<uint32_t*, 3> parts{&range.guest, &range.host, &range.count};
  for (size_t i = 0; i < parts.size(); ++i) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *parts[i]);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (text.empty()) return i > 0;
    if (!text.starts_with('/')) return false;
    text.remove_prefix(1);
  }
  return false;
}

// "quota=SIZE" and "inodes=N"; false: it is another option. `why` says what is wrong with the value.
bool take_quota(std::string_view option, Share& share, std::string& why) {
  constexpr std::string_view kBytes = "quota=", kInodes = "inodes=";
  bool is_bytes = option.starts_with(kBytes);
  if (!is_bytes && !option.starts_with(kInodes)) return false;
  std::string value(option.substr(is_bytes ? kBytes.size() : kInodes.size()));
  Result<uint64_t> limit = is_bytes ? parse_size(value) : Result<uint64_t>(parse_count(value));
  if (!limit) {
    why = fmt::format("{}: {}", option, limit.error().what);
  } else {
    (is_bytes ? share.quota_bytes : share.quota_inodes) = *limit;
  }
  return true;
}

// "timeout=SECONDS", with decimals.
std::string take_timeout(std::string_view value, Share& share) {
  constexpr double kMost = 1e6;  // Eleven days.
  double seconds = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds, std::chars_format::fixed);
  bool whole = error == std::errc() && end == value.data() + value.size();
  if (!whole || !(seconds >= 0 && seconds <= kMost))
    return fmt::format("'timeout={}' is not a time; write it in seconds, as 5 or 0.25", value);
  share.timeout = std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
  return {};
}

// "dax=SIZE"; the API checks the number.
std::string take_dax(std::string_view value, Share& share) {
  Result<uint64_t> mib = parse_memory(std::string(value));
  if (!mib || *mib > UINT32_MAX)
    return fmt::format("'dax={}' is not dax or dax=SIZE; write the size as 64 (MiB), 64M or 1G", value);
  share.dax_window_mib = static_cast<uint32_t>(*mib);
  return {};
}

// What is injected: "PATH=FILE", a file as the host has FILE now, or "PATH/", an empty directory.
std::string take_injected(std::string_view value, InjectedLookups lookups, Share& share) {
  if (value.size() > 1 && value.ends_with('/')) {
    value.remove_suffix(1);
    share.injected.push_back(
        {.path = std::string(value), .kind = InjectedKind::kDirectory, .mode = 0755, .lookups = lookups});
    return {};
  }
  size_t equals = value.find('=');
  if (equals == 0 || equals == std::string_view::npos || equals + 1 == value.size())
    return fmt::format("'{}' is not PATH=FILE (a file, with the contents of the host's FILE) or PATH/ (a directory)",
                       value);
  std::string file(value.substr(equals + 1));
  Result<std::string> contents = read_file(file, kMostInjected);
  struct stat status{};
  if (!contents || ::stat(file.c_str(), &status) < 0)
    return fmt::format("{}: {}", file, contents ? "not readable" : contents.error().message());
  share.injected.push_back({.path = std::string(value.substr(0, equals)),
                            .contents = std::move(*contents),
                            .mode = status.st_mode & 0777,
                            .lookups = lookups});
  return {};
}

// What is wrong with the option, or nothing.
std::string take_option(std::string_view option, Share& share) {
  auto choice = std::ranges::find(kChoices, option, &Choice::name);
  if (choice != kChoices.end()) {
    choice->choose(share);
    return {};
  }
  constexpr std::string_view kTimeout = "timeout=";
  if (option.starts_with(kTimeout)) return take_timeout(option.substr(kTimeout.size()), share);
  constexpr std::string_view kInject = "inject=", kOnce = "inject-once=";
  if (option.starts_with(kInject)) return take_injected(option.substr(kInject.size()), InjectedLookups::kAny, share);
  if (option.starts_with(kOnce)) return take_injected(option.substr(kOnce.size()), InjectedLookups::kOne, share);
  constexpr std::string_view kDax = "dax=";
  if (option.starts_with(kDax)) return take_dax(option.substr(kDax.size()), share);
  std::string why;
  if (take_quota(option, share, why)) return why;
  for (auto [name, ranges] : {std::pair{"uidmap=", &share.users}, std::pair{"gidmap=", &share.groups}}) {
    if (!option.starts_with(name)) continue;
    IdRange range;
    if (!parse_range(option.substr(std::string_view(name).size()), range))
      return fmt::format("'{}' is not {}GUEST/HOST or {}GUEST/HOST/COUNT", option, name, name);
    ranges->push_back(range);
    return {};
  }
  return fmt::format(
      "'{}' is not an option; there are ro, rw, cache=none|auto|always, timeout=, dax, dax=, devices, acl, "
      "locks=guest|host, uidmap=, gidmap=, quota=, inodes=, inject=, inject-once=",
      option);
}

std::string take_options(std::string_view options, Share& share) {
  for (;;) {
    size_t comma = options.find(',');
    std::string why = take_option(options.substr(0, comma), share);
    if (!why.empty() || comma == std::string_view::npos) return why;
    options.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<Share> parse_share(const std::string& text) {
  auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}': {}; write HOST:GUEST or HOST:GUEST:OPTION,...", text, why));
  };
  Share share;
  std::string_view rest = text;
  size_t colon = rest.rfind(':');
  // The last part is one of options when it is no path and the one before it is.
  if (colon != std::string_view::npos && !rest.substr(colon + 1).starts_with('/')) {
    std::string_view options = rest.substr(colon + 1), before = rest.substr(0, colon);
    size_t guest = before.rfind(':');
    bool names_guest = guest != std::string_view::npos && before.substr(guest + 1).starts_with('/');
    bool is_access = options == "ro" || options == "rw";
    if (is_access && !names_guest) return wrong("the path in the guest is missing");
    if (!names_guest) return wrong(fmt::format("the path in the guest, '{}', must begin with /", options));
    rest = before;
    colon = guest;
    std::string why = take_options(options, share);
    if (!why.empty()) return wrong(why);
  }
  if (colon == std::string_view::npos) return wrong("the path in the guest is missing");
  share.host_path = rest.substr(0, colon);
  share.guest_path = rest.substr(colon + 1);
  if (share.host_path.empty()) return wrong("the path on the host is missing");
  return share;
}

}  // namespace cloche::cli
