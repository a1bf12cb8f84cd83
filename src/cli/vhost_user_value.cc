// The value of --vhost-user: TYPE=SOCKET[,OPTION...].
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "cli/values.h"

namespace cloche::cli {
namespace {

struct Type {
  std::string_view name;
  uint32_t number;
};

constexpr Type kTypes[] = {{"net", 1},    {"block", 2}, {"console", 3}, {"rng", 4},    {"scsi", 8},
                           {"gpu", 16},   {"rtc", 17},  {"input", 18},  {"vsock", 19}, {"crypto", 20},
                           {"sound", 25}, {"fs", 26},   {"i2c", 34},    {"can", 36},   {"gpio", 41}};

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_type(std::string_view text, uint32_t& type) {
  const auto* found = std::ranges::find(kTypes, text, &Type::name);
  if (found != std::end(kTypes)) type = found->number;
  return found != std::end(kTypes) || read_number(text, type);
}

std::string all_types() {
  std::string names;
  for (const Type& type : kTypes) names += fmt::format("{}, ", type.name);
  return names + "or virtio's number";
}

bool take_option(std::string_view option, VhostUserDevice& device) {
  constexpr std::string_view kQueues = "queues=", kSize = "size=", kName = "name=";
  if (option.starts_with(kQueues)) return read_number(option.substr(kQueues.size()), device.queues);
  if (option.starts_with(kSize)) return read_number(option.substr(kSize.size()), device.queue_sizes.emplace_back());
  if (!option.starts_with(kName)) return false;
  device.name = option.substr(kName.size());
  return true;
}

}  // namespace

Result<VhostUserDevice> parse_vhost_user(const std::string& text) {
  auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}': {}; write TYPE=SOCKET, and behind commas queues=N, size=N, name=NAME", text, why));
  };
  VhostUserDevice device;
  std::string_view rest = text;
  size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return wrong("the socket is missing");
  if (!read_type(rest.substr(0, equals), device.type))
    return wrong(fmt::format("'{}' is no type of device; there are {}", rest.substr(0, equals), all_types()));
  rest.remove_prefix(equals + 1);
  size_t comma = std::min(rest.find(','), rest.size());
  device.socket_path = rest.substr(0, comma);
  if (device.socket_path.empty()) return wrong("the socket is missing");
  while (comma < rest.size()) {
    rest.remove_prefix(comma + 1);
    comma = std::min(rest.find(','), rest.size());
    std::string_view option = rest.substr(0, comma);
    if (!take_option(option, device)) return wrong(fmt::format("'{}' is not an option", option));
  }
  return device;
}

}  // namespace cloche::cli
