#include "devices/block/vmdk.h"

#include <fcntl.h>

#include <charconv>
#include <optional>

#include "devices/block/raw.h"

namespace cloche::block {
namespace {

constexpr size_t kMostDescription = 64 << 10;  // One extent takes a few lines.
constexpr uint64_t kMostSectors = 1ull << 44;  // 8 PiB: far from where bytes overflow.

std::unexpected<Error> refuse(std::string why) { return fail(ErrorCode::kUnsupported, std::move(why)); }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// The next word, taken off `text`; what stands in double quotes is one.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  size_t end;
  std::string_view word;
  if (text.starts_with('"')) {
    end = text.find('"', 1);
    if (end == std::string_view::npos) return {};
    word = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    return word;
  }
  end = std::min(text.find(' '), text.size());
  word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > kMostSectors) return std::nullopt;
  return value;
}

// `RW 2048 FLAT "name" 0`: access, sectors, kind, file, first sector.
Result<VmdkExtent> parse_extent(std::string_view line) {
  std::string_view access = take_word(line), sectors = take_word(line), kind = take_word(line);
  VmdkExtent extent{.file = std::string(take_word(line))};
  std::string_view first = take_word(line);
  auto size = number(sectors), start = first.empty() ? std::optional<uint64_t>(0) : number(first);
  if (kind != "FLAT") return refuse("an extent of the kind '" + std::string(kind) + "'; only FLAT is read");
  if (!size || !start || (access != "RW" && access != "RDONLY")) return refuse("a damaged extent line");
  bool beside = !extent.file.empty() && extent.file != "." && extent.file != ".." && !extent.file.contains('/') &&
                !extent.file.contains('\0');
  if (!beside) return refuse("its extent '" + extent.file + "' does not lie beside it");
  extent.size = *size * RawDisk::kSectorBytes;
  extent.start = *start * RawDisk::kSectorBytes;
  extent.read_only = access == "RDONLY";
  return extent;
}

bool is_extent(std::string_view line) {
  return line.starts_with("RW ") || line.starts_with("RDONLY ") || line.starts_with("NOACCESS ");
}

}  // namespace

Result<VmdkExtent> parse_vmdk(std::string_view text) {
  if (!text.starts_with("# Disk DescriptorFile")) return refuse("not a VMDK description; sparse images are not read");
  std::optional<VmdkExtent> extent;
  std::string_view type;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = trim(text.substr(at, end - at));
    at = end + 1;
    if (is_extent(line)) {
      if (extent) return refuse("more than one extent");
      extent = TRY(parse_extent(line));
      continue;
    }
    size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    std::string_view name = trim(line.substr(0, equals)), value = trim(line.substr(equals + 1));
    value = take_word(value);
    if (name == "createType") type = value;
    if (name == "parentCID" && value != "ffffffff") return refuse("it is made on top of another image");
    if (name == "parentFileNameHint") return refuse("it is made on top of another image");
  }
  if (type != "monolithicFlat") return refuse("of the type '" + std::string(type) + "'; only monolithicFlat is read");
  if (!extent) return refuse("no extent");
  return *extent;
}

Result<std::unique_ptr<Disk>> open_vmdk(const std::string& path, HostFileOptions options) {
  std::string text = TRY(read_text_file(path, kMostDescription));
  auto extent = parse_vmdk(text);
  if (!extent) return std::unexpected(std::move(extent).error().in(path));
  if (extent->read_only && options.writing == Writing::kAllowed)
    return fail(ErrorCode::kInvalidArgument, path + ": its description says that it is read-only");
  // A link beside it could lead anywhere.
  auto file = TRY(HostFile::open(path.substr(0, path.rfind('/') + 1) + extent->file, options, Links::kRefused));
  return RawDisk::create(std::move(file), extent->start, extent->size);
}

}  // namespace cloche::block
