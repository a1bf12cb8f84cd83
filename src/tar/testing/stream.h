// Streams put together by hand, also such as no packer makes.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "tar/header.h"

namespace cloche::tar::testing {

inline void seal(Header& header) {
  std::string digits = fmt::format("{:06o}", checksum_of(header));
  std::memcpy(header.checksum, digits.c_str(), 7);
  header.checksum[7] = ' ';
}

// A header of the plainest kind.
inline Header header(char type, const std::string& name, uint64_t size = 0) {
  Header made;
  std::memcpy(made.name, name.data(), std::min(name.size(), sizeof made.name));
  std::memcpy(made.mode, type == '5' ? "0000755" : "0000644", 8);
  std::memcpy(made.uid, "0000000", 8);
  std::memcpy(made.gid, "0000000", 8);
  std::memcpy(made.size, fmt::format("{:011o}", size).c_str(), 12);
  std::memcpy(made.modified, "00000000001", 12);
  std::memcpy(made.magic, "ustar\00000", 8);
  made.type = type;
  seal(made);
  return made;
}

class Stream {
 public:
  Stream& add(const Header& header, const std::string& data = {}) {
    text_.append(reinterpret_cast<const char*>(&header), sizeof header);
    text_ += data;
    text_.resize((text_.size() + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
    return *this;
  }
  Stream& file(const std::string& name, const std::string& data = {}) {
    return add(header('0', name, data.size()), data);
  }
  Stream& directory(const std::string& name) { return add(header('5', name)); }
  Stream& link(char type, const std::string& name, const std::string& target) {
    Header made = header(type, name);
    std::memcpy(made.target, target.data(), std::min(target.size(), sizeof made.target));
    seal(made);
    return add(made);
  }
  Stream& extended(const std::string& records, char type = 'x') {
    return add(header(type, "PaxHeaders", records.size()), records);
  }
  // Without the end.
  const std::string& open() const { return text_; }
  std::string whole() const { return text_ + std::string(2 * kBlockBytes, '\0'); }

 private:
  std::string text_;
};

inline std::string record(const std::string& key, const std::string& value) {
  std::string records;
  append_record(records, key, value);
  return records;
}

}  // namespace cloche::tar::testing
