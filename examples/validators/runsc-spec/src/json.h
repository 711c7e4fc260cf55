// The request as a tree, and places in it with their paths.
#pragma once

#include <string>
#include <string_view>

// rapidjson checks its callers with these; a broken check ends the call.
#define RAPIDJSON_ASSERT(x) ((x) ? (void)0 : __builtin_trap())
#include <rapidjson/document.h>

using Value = rapidjson::Value;
using Text = std::string_view;

inline Text text(const Value &v) { return {v.GetString(), v.GetStringLength()}; }

// A place in the request: what is there, and how to get there. It refers to the place
// above, which must live as long.
class Node {
 public:
  // The place where paths start.
  Node(Text name, const Value *value) : value_(present(value)), key_(name) {}

  // A member of an object: the last one of that name, as for Go. Not of a place without
  // a name of its own, which would be gone before.
  Node at(Text key) const &;
  Node at(Text key) const && = delete;
  // An item of an array.
  Node at(unsigned index) const &;

  // Absent or null, which are the same to Go.
  bool absent() const { return value_ == nullptr; }
  bool isObject() const { return value_ != nullptr && value_->IsObject(); }
  bool isArray() const { return value_ != nullptr && value_->IsArray(); }
  bool isString() const { return value_ != nullptr && value_->IsString(); }
  const Value &value() const { return *value_; }

  // What there is, and nothing if it is of another type: the schema has reported that.
  Text string() const { return isString() ? text(*value_) : Text(); }
  bool isTrue() const { return value_ != nullptr && value_->IsTrue(); }
  long long integer() const { return value_ != nullptr && value_->IsInt64() ? value_->GetInt64() : 0; }
  unsigned size() const;

  // Calls f with each item of an array, or with name and value of each member.
  template <typename F> void eachItem(F f) const {
    for (unsigned i = 0; isArray() && i < size(); i++) f(at(i));
  }
  template <typename F> void eachMember(F f) const {
    if (!isObject()) return;
    for (const auto &m : value_->GetObject()) {
      const Node member(this, text(m.name), 0, &m.value);
      f(text(m.name), member);
    }
  }

  // Such as spec.mounts[2].destination, or spec.annotations["a.b"].
  std::string path() const;

 private:
  Node(const Node *above, Text key, unsigned index, const Value *value)
      : value_(present(value)), above_(above), key_(key), index_(index) {}
  static const Value *present(const Value *v) { return v == nullptr || v->IsNull() ? nullptr : v; }

  const Value *value_;
  const Node *above_ = nullptr;
  Text key_;  // of an item of an array it has no data
  unsigned index_ = 0;
};

// Text in quotes with JSON's escapes, cut when it is long: for messages and paths.
std::string quoted(Text text);

inline bool startsWith(Text s, Text prefix) { return s.substr(0, prefix.size()) == prefix; }
inline bool endsWith(Text s, Text end) { return s.size() >= end.size() && s.substr(s.size() - end.size()) == end; }

// Whether a list of words with bars between, such as "a|b|c", has a word.
bool among(Text words, Text word);
