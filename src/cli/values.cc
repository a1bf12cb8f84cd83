#include "cli/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <span>

namespace cloche::cli {
namespace {

constexpr size_t kMaxEnvironmentFile = 1 << 20;

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); }

struct Quantity {
  uint64_t number = 0;
  std::string_view unit;
};

// A number and what is written behind it.
std::optional<Quantity> parse_quantity(std::string_view text) {
  Quantity quantity;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantity.number);
  if (error != std::errc()) return std::nullopt;
  quantity.unit = text.substr(static_cast<size_t>(end - text.data()));
  return quantity;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  auto quantity = parse_quantity(text);
  if (!quantity || !quantity->unit.empty() || quantity->number > std::numeric_limits<Number>::max())
    return std::nullopt;
  return static_cast<Number>(quantity->number);
}

struct Unit {
  std::string_view name;
  uint64_t factor;
};

std::optional<uint64_t> multiply(const Quantity& quantity, std::span<const Unit> units) {
  auto unit = std::ranges::find(units, quantity.unit, &Unit::name);
  if (unit == units.end() || quantity.number > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return quantity.number * unit->factor;
}

std::optional<uint64_t> parse_limit_value(std::string_view text) {
  if (text == "unlimited" || text == "-1") return kUnlimited;
  return parse_number<uint64_t>(text);
}

}  // namespace

Result<uint64_t> parse_memory(const std::string& text) {
  constexpr uint64_t kMib = 1 << 20;
  Result<uint64_t> bytes = parse_size(text);
  if (bytes) *bytes /= kMib;
  return bytes;
}

Result<uint64_t> parse_size(const std::string& text) {
  constexpr uint64_t kBytes = 1024;
  static constexpr uint64_t kKib = 1, kMib = 1024, kGib = kMib * 1024, kTib = kGib * 1024;
  static constexpr std::array<Unit, 14> kUnits{{{"", kMib},
                                                {"k", kKib},
                                                {"K", kKib},
                                                {"KiB", kKib},
                                                {"KB", kKib},
                                                {"m", kMib},
                                                {"M", kMib},
                                                {"MiB", kMib},
                                                {"MB", kMib},
                                                {"g", kGib},
                                                {"G", kGib},
                                                {"GiB", kGib},
                                                {"GB", kGib},
                                                {"T", kTib}}};
  auto quantity = parse_quantity(text);
  auto kib = quantity ? multiply(*quantity, kUnits) : std::nullopt;
  if (!kib || *kib > std::numeric_limits<uint64_t>::max() / kBytes)
    return bad(fmt::format("'{}' is not a size; write it as 512 (MiB), 512M or 4G", text));
  return *kib * kBytes;
}

Result<std::chrono::milliseconds> parse_duration(const std::string& text) {
  static constexpr std::array<Unit, 5> kUnits{{{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
  auto quantity = parse_quantity(text);
  auto count = quantity ? multiply(*quantity, kUnits) : std::nullopt;
  if (!count) return bad(fmt::format("'{}' is not a duration; write it as 5 (seconds), 500ms, 5s, 2m or 1h", text));
  if (*count == 0) return bad(fmt::format("'{}' leaves no time at all; without the flag there is no limit", text));
  return std::chrono::milliseconds(*count);
}

Result<std::chrono::milliseconds> parse_grace(const std::string& text) {
  return text == "0" ? std::chrono::milliseconds(0) : parse_duration(text);
}

Result<uint32_t> parse_count(const std::string& text) {
  auto number = parse_number<uint32_t>(text);
  if (!number) return bad(fmt::format("'{}' is not a number", text));
  return *number;
}

Result<User> parse_user(const std::string& text) {
  size_t colon = text.find(':');
  auto uid = parse_number<uint32_t>(std::string_view(text).substr(0, colon));
  std::optional<uint32_t> gid;
  if (colon != std::string::npos) gid = parse_number<uint32_t>(std::string_view(text).substr(colon + 1));
  if (!uid || (colon != std::string::npos && !gid))
    return bad(fmt::format("'{}' is not a user; write it in numbers, as 1000 or 1000:1000", text));
  return User{*uid, gid};
}

Result<KelpiePort> parse_kelpie_port(const std::string& text) {
  KelpiePort port{.socket_path = text};
  std::optional<KelpieSocket> socket;
  std::optional<KelpieServer> server;
  for (size_t comma; (comma = port.socket_path.rfind(',')) != std::string::npos; port.socket_path.resize(comma)) {
    std::string_view word = std::string_view(port.socket_path).substr(comma + 1);
    if (!socket && (word == "listen" || word == "connect"))
      socket = word == "listen" ? KelpieSocket::kListen : KelpieSocket::kConnect;
    else if (!server && (word == "agent" || word == "command"))
      server = word == "agent" ? KelpieServer::kAgent : KelpieServer::kCommand;
    else
      break;
  }
  if (port.socket_path.empty()) return bad(fmt::format("'{}' names no socket", text));
  port.socket = socket.value_or(port.socket);
  port.server = server.value_or(port.server);
  return port;
}

Result<Limit> parse_limit(const std::string& text) {
  auto wrong = [&] {
    return bad(fmt::format("'{}' is not a limit; write it as nofile=1024 or nofile=1024:2048", text));
  };
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return wrong();
  std::string_view values = std::string_view(text).substr(equals + 1);
  size_t colon = values.find(':');
  auto soft = parse_limit_value(values.substr(0, colon));
  auto hard = colon == std::string_view::npos ? soft : parse_limit_value(values.substr(colon + 1));
  if (!soft || !hard) return wrong();
  return Limit{text.substr(0, equals), *soft, *hard};
}

Root parse_root(const std::string& text) {
  if (text == "host") return {};
  return {.source = RootSource::kDirectory, .path = text};
}

Result<void> add_variable(const std::string& text, std::vector<std::string>& environment) {
  if (text.empty() || text[0] == '=')
    return bad(fmt::format("'{}' is not a variable; write NAME=value, or NAME to pass on yours", text));
  if (text.find('=') != std::string::npos) {
    environment.push_back(text);
  } else if (const char* value = std::getenv(text.c_str()); value != nullptr) {
    environment.push_back(text + "=" + value);
  }
  return {};
}

Result<std::string> read_file(const std::string& path, size_t limit) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file) return fail(ErrorCode::kNotFound, "open " + path, errno);
  std::string text;
  std::array<char, 65536> part;
  while (size_t got = std::fread(part.data(), 1, part.size(), file.get())) {
    text.append(part.data(), got);
    if (text.size() > limit) return bad(fmt::format("{} is larger than {} MiB", path, limit >> 20));
  }
  if (std::ferror(file.get()) != 0) return fail(ErrorCode::kHost, "read " + path, errno);
  return text;
}

Result<void> add_variables_of_file(const std::string& path, std::vector<std::string>& environment) {
  Result<std::string> read = read_file(path, kMaxEnvironmentFile);
  if (!read) return std::unexpected(std::move(read).error());
  const std::string& text = *read;
  for (size_t at = 0, line_number = 1; at < text.size(); ++line_number) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    if (auto added = add_variable(line, environment); !added)
      return std::unexpected(std::move(added).error().in(fmt::format("{} line {}", path, line_number)));
  }
  return {};
}

}  // namespace cloche::cli
