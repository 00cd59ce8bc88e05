// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/yaml_document.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "registry-sync/json_document.h"

namespace weft::registry {
namespace {

/// The line on which a document exceeds kMaxNodes of the characters that its tokens take, if one does.
///
/// Inside brackets, yaml-cpp's scanner queues all tokens up to the closing one before it emits an event, at about 250
/// bytes each: without this bound, 16 MiB of "[" take more than 4 GiB before the first chance to refuse them.
std::optional<uint32_t> find_excess(std::string_view text) {
  size_t indicators = 0;
  uint32_t line = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '[':
      case ']':
      case '{':
      case '}':
      case ',':
      case ':':
      case '?':
        if (++indicators > kMaxNodes) {
          return line;
        }
        break;
      case '\n':
        ++line;
        // A new document, wherever the scanner thinks it is.
        if (const std::string_view rest = text.substr(i + 1); rest.starts_with("---\n") || rest.starts_with("--- ")) {
          indicators = 0;
        }
        break;
      default:
        break;
    }
  }
  return std::nullopt;
}

uint32_t line_of(const YAML::Mark& mark) {
  return mark.line < 0 ? 0 : static_cast<uint32_t>(mark.line) + 1;
}

/// Throws a Refusal through yaml-cpp, which knows no other way to stop; read_yaml() catches it.
class YamlEvents final : public YAML::EventHandler {
 public:
  /// The document that was just handled.
  YamlNode take() { return tree_.take(); }

  void OnDocumentStart(const YAML::Mark&) override { tree_.begin(); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    require(tree_.leaf(YamlNode::Kind::null, line_of(mark), false, {}), mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{line_of(mark), "aliases are not accepted: write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    // yaml-cpp says "?" for a plain scalar and "!" for a quoted one.
    if (tag != "?" && tag != "!") {
      refuse_tag(mark, tag);
    }
    require(tree_.leaf(YamlNode::Kind::scalar, line_of(mark), tag == "!", value), mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::list, mark, tag);
  }
  void OnSequenceEnd() override { tree_.close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::mapping, mark, tag);
  }
  void OnMapEnd() override { tree_.close(); }

 private:
  [[noreturn]] static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    throw Refusal{line_of(mark), "tags are not accepted: remove " + in_quotes(tag)};
  }

  void require(bool within_bounds, const YAML::Mark& mark) {
    if (!within_bounds) {
      throw Refusal{line_of(mark), tree_.problem()};
    }
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    if (tag != "?" && tag != "!" && !tag.empty()) {
      refuse_tag(mark, tag);
    }
    require(tree_.open(kind, line_of(mark)), mark);
  }

  TreeBuilder tree_;
};

/// Up to the first document that is not YAML.
/// Of a carriage return that no line feed follows: YAML has it end a line, and yaml-cpp takes the quotation marks of a
/// key behind it for its text. @returns its line
std::optional<uint32_t> find_lone_return(std::string_view text) {
  for (size_t at = text.find('\r'); at != std::string_view::npos; at = text.find('\r', at + 1)) {
    if (text.substr(at + 1, 1) != "\n") {
      return static_cast<uint32_t>(1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    }
  }
  return std::nullopt;
}

std::optional<Refusal> read_yaml(std::string_view text, const std::function<void(const YamlNode&)>& each) {
  if (const std::optional<uint32_t> line = find_lone_return(text)) {
    return Refusal{*line, "a carriage return (0x0d) ends no line here: expected line feeds"};
  }
  if (const std::optional<uint32_t> line = find_excess(text)) {
    return Refusal{*line, too_many_values()};
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    YamlEvents events;
    for (size_t documents = 0; parser.HandleNextDocument(events); ++documents) {
      const YamlNode document = events.take();
      if (documents == kMaxDocuments) {
        return Refusal{document.line, "a file may have at most " + std::to_string(kMaxDocuments) + " documents"};
      }
      if (document.kind != YamlNode::Kind::null) {
        each(document);
      }
    }
  } catch (const Refusal& refusal) {
    return refusal;
  } catch (const YAML::Exception& error) {
    return Refusal{line_of(error.mark), "not valid YAML: " + escaped(error.msg, 200)};
  } catch (const std::exception& error) {
    return Refusal{0, "not readable as YAML: " + escaped(error.what(), 200)};
  }
  return std::nullopt;
}

/// Why a text is neither YAML nor JSON.
std::optional<Refusal> find_unreadable(std::string_view text) {
  if (text.size() > kMaxFileBytes) {
    return Refusal{0, "a file may have at most " + std::to_string(kMaxFileBytes) + " bytes"};
  }
  if (text.find('\0') != std::string_view::npos) {
    return Refusal{0, "not UTF-8 text: it contains a NUL byte"};
  }
  return std::nullopt;
}

bool begins_as_json(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
}

}  // namespace

void for_each_document(std::string_view file, std::string_view text, std::vector<Diagnostic>& errors,
                       const std::function<void(const YamlNode&)>& each) {
  const bool is_json = file.ends_with(".json");
  std::optional<Refusal> refusal = find_unreadable(text);
  if (!refusal && (is_json || begins_as_json(text))) {
    const tl::expected<YamlNode, Refusal> document = read_json(text);
    if (document) {
      if (document->kind != YamlNode::Kind::null) {
        each(*document);
      }
      return;
    }
    // YAML's own lists and mappings in brackets begin as JSON's do, and documents in JSON may follow each other in
    // YAML.
    refusal = is_json ? document.error() : read_yaml(text, each);
  } else if (!refusal) {
    refusal = read_yaml(text, each);
  }
  if (refusal) {
    report(errors, {.file = std::string(file), .line = refusal->line, .message = std::move(refusal->message)});
  }
}

std::optional<YamlNode> read_json_document(std::string_view file, std::string_view text,
                                           std::vector<Diagnostic>& errors) {
  std::optional<Refusal> refusal = find_unreadable(text);
  if (!refusal) {
    tl::expected<YamlNode, Refusal> document = read_json(text);
    if (document) {
      return std::move(*document);
    }
    refusal = std::move(document.error());
  }
  report(errors, {.file = std::string(file), .line = refusal->line, .message = std::move(refusal->message)});
  return std::nullopt;
}

std::optional<YamlNode> read_document(std::string_view file, std::string_view text, std::vector<Diagnostic>& errors) {
  std::optional<YamlNode> only;
  const size_t errors_before = errors.size();
  for_each_document(file, text, errors, [&](const YamlNode& document) {
    if (only) {
      report(errors,
             {.file = std::string(file), .line = document.line, .message = "expected one document, got another"});
    }
    only = document;
  });
  if (errors.size() > errors_before) {
    return std::nullopt;
  }
  if (!only) {
    report(errors, {.file = std::string(file), .message = "expected one document, got none"});
  }
  return only;
}

tl::expected<std::string, ReadFailure> read_text_file(const std::filesystem::path& path) {
  const auto failure = [](int error) {
    return tl::make_unexpected(ReadFailure{error == ENOENT ? ReadError::missing : ReadError::unreadable,
                                           std::string("cannot be read: ") + std::strerror(error)});
  };
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    return failure(errno);
  }
  struct stat status {};
  std::string text;
  int error = fstat(file, &status) == 0 ? 0 : errno;
  const bool regular = S_ISREG(status.st_mode);
  while (error == 0 && regular && text.size() <= kMaxFileBytes) {
    constexpr size_t kChunk = size_t{64} << 10;
    const size_t before = text.size();
    text.resize(before + kChunk);
    const ssize_t count = read(file, text.data() + before, kChunk);
    text.resize(before + static_cast<size_t>(count > 0 ? count : 0));
    if (count == 0) {
      break;
    }
    error = count < 0 && errno != EINTR ? errno : 0;
  }
  close(file);
  if (error != 0) {
    return failure(error);
  }
  if (!regular) {
    return tl::make_unexpected(ReadFailure{ReadError::unreadable, "cannot be read: not a regular file"});
  }
  if (text.size() > kMaxFileBytes) {
    return tl::make_unexpected(ReadFailure{
        ReadError::unreadable, "too large: a file may have at most " + std::to_string(kMaxFileBytes) + " bytes"});
  }
  return text;
}

}  // namespace weft::registry
