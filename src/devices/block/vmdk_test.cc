#include "devices/block/vmdk.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "devices/block/image.h"
#include "devices/block/testing/scratch.h"

namespace cloche::block {
namespace {

constexpr const char* kGood =
    "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\n"
    "# Extent description\nRW 2048 FLAT \"disk-flat.vmdk\" 0\n\n# The Disk Data Base\n#DDB\n\n"
    "ddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"2\"\n";

std::string with(std::string_view what, std::string_view instead) {
  std::string text = kGood;
  text.replace(text.find(what), what.size(), instead);
  return text;
}

std::string why_not(const std::string& text) {
  auto parsed = parse_vmdk(text);
  return parsed ? "it is taken" : parsed.error().what;
}

TEST(Vmdk, ADescription) {
  auto extent = parse_vmdk(kGood);
  ASSERT_TRUE(extent) << extent.error().message();
  EXPECT_EQ(extent->file, "disk-flat.vmdk");
  EXPECT_EQ(extent->size, 1u << 20);
  EXPECT_EQ(extent->start, 0u);
  EXPECT_FALSE(extent->read_only);
  EXPECT_TRUE(parse_vmdk(with("RW 2048", "RDONLY 2048"))->read_only);
  EXPECT_EQ(parse_vmdk(with("\" 0", "\" 8"))->start, 4096u);
}

TEST(Vmdk, WhatIsRefused) {
  EXPECT_NE(why_not("KDMV\1\0\0\0").find("sparse"), std::string::npos);
  EXPECT_NE(why_not(with("monolithicFlat", "monolithicSparse")).find("monolithicSparse"), std::string::npos);
  EXPECT_NE(why_not(with("FLAT", "SPARSE")).find("SPARSE"), std::string::npos);
  EXPECT_NE(why_not(with("parentCID=ffffffff", "parentCID=12345678")).find("on top of"), std::string::npos);
  EXPECT_NE(why_not(with("version=1", "parentFileNameHint=\"/etc/passwd\"")).find("on top of"), std::string::npos);
  for (const char* name : {"../x", "/etc/passwd", "", ".", "..", "a/b"})
    EXPECT_NE(why_not(with("disk-flat.vmdk", name)).find("beside"), std::string::npos) << name;
  EXPECT_NE(why_not(with("RW 2048 FLAT", "RW 1 FLAT \"a\" 0\nRW 2048 FLAT")).find("more than one"), std::string::npos);
  for (const char* sectors : {"-1", "x", "99999999999999999999", "99999999999999999"})
    EXPECT_NE(why_not(with("2048", sectors)).find("damaged"), std::string::npos) << sectors;
  EXPECT_NE(why_not(with("RW 2048", "NOACCESS 2048")).find("damaged"), std::string::npos);
  EXPECT_NE(why_not(with("RW 2048", "XX 2048")).find("no extent"), std::string::npos);
  std::string text = kGood;
  for (size_t size = 0; size < text.size(); ++size) static_cast<void>(parse_vmdk(text.substr(0, size)));
}

TEST(Vmdk, Opened) {
  Scratch scratch;
  std::string path = scratch.write("disk.vmdk", kGood);
  EXPECT_FALSE(open_image({.path = path, .format = Format::kVmdk}));
  scratch.make("disk-flat.vmdk", 1 << 19);
  EXPECT_FALSE(open_image({.path = path, .format = Format::kVmdk}));  // Shorter than it should be.
  scratch.make("disk-flat.vmdk", 1 << 20);
  {
    auto disk = open_image({.path = path, .format = Format::kVmdk});
    ASSERT_TRUE(disk) << disk.error().message();
    EXPECT_EQ((*disk)->size(), 1u << 20);
    write_at(**disk, 1000, pattern(3000, 1));
    EXPECT_EQ(read_at(**disk, 1000, 3000), pattern(3000, 1));
  }
  scratch.make("elsewhere", 1 << 20);
  ::unlink(scratch.path("disk-flat.vmdk").c_str());
  ASSERT_EQ(::symlink(scratch.path("elsewhere").c_str(), scratch.path("disk-flat.vmdk").c_str()), 0);
  EXPECT_FALSE(open_image({.path = path, .format = Format::kVmdk}));
}

}  // namespace
}  // namespace cloche::block
