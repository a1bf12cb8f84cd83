#include "tar/header.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>

#include "tar/sparse.h"

namespace cloche::tar {
namespace {

constexpr std::string_view kPosixMagic("ustar\00000", 8);
constexpr std::string_view kGnuMagic("ustar  \0", 8);
constexpr uint32_t kPermissions = 07777;
constexpr uint32_t kNoId = UINT32_MAX;  // To chown() it means that the owner stays.

std::unexpected<Error> wrong(std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); }

// Ends at the first NUL, or with the field.
template <size_t size>
std::string_view text_of(const char (&field)[size]) {
  return {field, ::strnlen(field, size)};
}

Result<uint64_t> number_of(std::span<const char> field, const char* what) {
  auto number = parse_number(field);
  if (!number || *number < 0) return wrong(fmt::format("a {} that is no number or too large", what));
  return static_cast<uint64_t>(*number);
}

Result<uint32_t> id_of(std::span<const char> field, std::optional<uint64_t> extended, const char* what) {
  uint64_t id = extended ? *extended : TRY(number_of(field, what));
  if (id >= kNoId) return wrong(fmt::format("a {} that is too large", what));
  return static_cast<uint32_t>(id);
}

Result<Type> type_of(const Header& header) {
  switch (header.type) {
    case '\0':
    case '7':  // "Contiguous", which no system of today makes different.
      return Type::kFile;
    case 'S':
      return wrong("a sparse file in GNU tar's old format; --format=pax makes one that is understood");
    default:
      if (header.type < '0' || header.type > '6')
        return wrong(fmt::format("the unknown type {:#04x}", static_cast<unsigned char>(header.type)));
      return static_cast<Type>(header.type);
  }
}

std::string path_of(const Header& header, const Extended& extended) {
  if (extended.sparse_path) return *extended.sparse_path;
  if (extended.path) return *extended.path;
  std::string name(text_of(header.name));
  // In GNU's format other things lie there.
  bool has_prefix = std::string_view(header.magic, 8) == kPosixMagic && header.prefix[0] != '\0';
  return has_prefix ? fmt::format("{}/{}", text_of(header.prefix), name) : name;
}

Result<void> decode_size(const Header& header, const Extended& extended, Decoded& decoded) {
  decoded.stored = extended.size ? *extended.size : TRY(number_of(header.size, "size"));
  decoded.is_sparse = extended.sparse_major || extended.sparse_minor;
  if (decoded.stored > INT64_MAX) return wrong("a size that is too large");
  if (decoded.entry.type != Type::kFile && (decoded.stored != 0 || decoded.is_sparse))
    return wrong("data of something that is no file");
  decoded.entry.size = decoded.stored;
  if (!decoded.is_sparse) return {};
  if (extended.sparse_major != 1 || extended.sparse_minor != 0 || !extended.sparse_path || !extended.sparse_size)
    return wrong("a sparse file that is not of GNU tar's version 1.0");
  if (*extended.sparse_size > INT64_MAX) return wrong("a size that is too large");
  decoded.entry.size = *extended.sparse_size;
  return {};
}

Result<void> check_names(const Entry& entry) {
  for (const std::string* name : {&entry.path, &entry.target}) {
    if (name->find('\0') != name->npos) return wrong("a name with a NUL");
    if (name->size() > kMostPathBytes) return wrong(fmt::format("a name of more than {} bytes", kMostPathBytes));
  }
  if (entry.type == Type::kFile && entry.path.ends_with('/')) return wrong("a file whose name ends with a slash");
  return {};
}

template <size_t size>
void put_text(char (&field)[size], std::string_view text) {
  std::memcpy(field, text.data(), std::min(size, text.size()));
}

// Octal digits and a NUL. A number that does not fit is left 0: an extended header has it.
template <size_t size>
void put_number(char (&field)[size], uint64_t number) {
  if (number >> (3 * (size - 1)) != 0) number = 0;
  put_text(field, fmt::format("{:0{}o}", number, size - 1));
}

template <size_t size>
bool fits(const char (&)[size], uint64_t number) {
  return number >> (3 * (size - 1)) == 0;
}

template <size_t size>
bool fits(const char (&)[size], std::string_view text) {
  return text.size() <= size && std::ranges::all_of(text, [](char each) { return each >= ' ' && each <= '~'; });
}

void append_block(std::string& out, Header& header) {
  put_text(header.magic, kPosixMagic);
  put_text(header.checksum,
           fmt::format("{:06o}", checksum_of(header)));  // With a NUL and, by custom, a blank after it.
  header.checksum[7] = ' ';
  out.append(reinterpret_cast<const char*>(&header), sizeof header);  // All chars, without padding.
}

void pad(std::string& out) { out.resize((out.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes); }

void append_extended(std::string& out, const std::string& records) {
  Header header;
  // A tar that does not know the type makes a file of this name.
  put_text(header.name, "PaxHeaders.0");
  put_number(header.mode, 0644);
  put_number(header.uid, 0);
  put_number(header.gid, 0);
  put_number(header.size, records.size());
  put_number(header.modified, 0);
  header.type = 'x';
  append_block(out, header);
  out += records;
  pad(out);
}

// The name for the header of its own, and the records where that does not say all.
std::string encode_path(const Entry& entry, std::string& records) {
  std::string path = entry.type == Type::kDirectory ? entry.path + "/" : entry.path;
  if (entry.segments) {
    append_record(records, "GNU.sparse.major", "1");
    append_record(records, "GNU.sparse.minor", "0");
    append_record(records, "GNU.sparse.name", path);
    append_record(records, "GNU.sparse.realsize", std::to_string(entry.size));
    return "GNUSparseFile.0/" + path;  // What a tar that does not know about it makes is not the file.
  }
  if (!fits(Header().name, path)) append_record(records, "path", path);
  return path;
}

uint64_t stored_bytes(const Entry& entry, const std::string& map) {
  if (!entry.segments) return entry.type == Type::kFile ? entry.size : 0;
  uint64_t bytes = map.size();
  for (const Segment& segment : *entry.segments) bytes += segment.size;
  return bytes;
}

}  // namespace

uint32_t checksum_of(const Header& header) {
  Header blanked = header;
  std::ranges::fill(blanked.checksum, ' ');
  uint32_t sum = 0;
  for (unsigned char each : std::span(reinterpret_cast<const unsigned char*>(&blanked), sizeof blanked)) sum += each;
  return sum;
}

std::optional<int64_t> parse_number(std::span<const char> field) {
  auto first = static_cast<unsigned char>(field.front());
  int64_t value = 0;
  if ((first & 0x80) != 0) {
    value = (first & 0x3f) - (first & 0x40);  // Two's complement without the marking bit.
    for (char each : field.subspan(1)) {
      if (value > INT64_MAX >> 8 || value < INT64_MIN >> 8) return std::nullopt;
      value = value * 256 + static_cast<unsigned char>(each);
    }
    return value;
  }
  auto at = std::ranges::find_if(field, [](char each) { return each != ' '; });
  for (; at != field.end() && *at >= '0' && *at <= '7'; ++at) value = value * 8 + (*at - '0');  // 12 digits at most.
  if (!std::all_of(at, field.end(), [](char each) { return each == ' ' || each == '\0'; })) return std::nullopt;
  return value;
}

Result<void> check_header(const Header& header) {
  if (parse_number(header.checksum) != checksum_of(header)) return wrong("a header with a wrong checksum");
  std::string_view magic(header.magic, sizeof header.magic);
  if (magic != kPosixMagic && magic != kGnuMagic) return wrong("a header that is neither POSIX nor GNU tar's");
  return {};
}

Result<Decoded> decode(const Header& header, const Extended& extended) {
  Decoded decoded;
  Entry& entry = decoded.entry;
  entry.type = TRY(type_of(header));
  entry.path = path_of(header, extended);
  if (entry.type == Type::kHardLink || entry.type == Type::kSymbolicLink)
    entry.target = extended.target ? *extended.target : text_of(header.target);
  TRY(check_names(entry));
  entry.mode = static_cast<uint32_t>(TRY(number_of(header.mode, "mode"))) & kPermissions;
  entry.uid = TRY(id_of(header.uid, extended.uid, "user"));
  entry.gid = TRY(id_of(header.gid, extended.gid, "group"));
  if (auto modified = parse_number(header.modified); extended.modified || modified)
    entry.modified = extended.modified ? *extended.modified : timespec{*modified, 0};
  else
    return wrong("a time that is no number");
  if (entry.type == Type::kCharacterDevice || entry.type == Type::kBlockDevice) {
    uint64_t major_number = TRY(number_of(header.device_major, "device"));
    uint64_t minor_number = TRY(number_of(header.device_minor, "device"));
    if (major_number > UINT32_MAX || minor_number > UINT32_MAX) return wrong("a device number that is too large");
    entry.device = ::makedev(static_cast<unsigned>(major_number), static_cast<unsigned>(minor_number));
  }
  TRY(decode_size(header, extended, decoded));
  return decoded;
}

std::string encode(const Entry& entry) {
  std::string map, records, out;
  if (entry.segments) map = map_text(*entry.segments);
  pad(map);
  uint64_t stored = stored_bytes(entry, map);
  Header header;
  put_text(header.name, encode_path(entry, records));
  put_text(header.target, entry.target);
  if (!fits(header.target, entry.target)) append_record(records, "linkpath", entry.target);
  put_number(header.mode, entry.mode);
  put_number(header.uid, entry.uid);
  if (!fits(header.uid, entry.uid)) append_record(records, "uid", std::to_string(entry.uid));
  put_number(header.gid, entry.gid);
  if (!fits(header.gid, entry.gid)) append_record(records, "gid", std::to_string(entry.gid));
  put_number(header.size, stored);
  if (!fits(header.size, stored)) append_record(records, "size", std::to_string(stored));
  put_number(header.modified, static_cast<uint64_t>(std::max<time_t>(entry.modified.tv_sec, 0)));
  append_record(records, "mtime", time_text(entry.modified));
  header.type = static_cast<char>(entry.type);
  put_number(header.device_major, major(entry.device));
  put_number(header.device_minor, minor(entry.device));
  append_extended(out, records);
  append_block(out, header);
  return out + map;
}

}  // namespace cloche::tar
