package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/nwaples/rardecode/v2"
)

// maxDictionary bounds the memory in which a rar archive is unpacked.
const maxDictionary = 1 << 28

// rar unpacks an archive in one file, of the formats 1.5 to 5.
func (u *unpacker) rar(r io.Reader) (err error) {
	defer func() { // the decoders are of many ages, and their input comes from outside
		if v := recover(); v != nil {
			err = refuse(BadFormat, "", "contradicts itself: %.80v", v)
		}
	}()
	z, err := rardecode.NewReader(Patient(u.ctx, r), rardecode.MaxDictionarySize(maxDictionary))
	if err != nil {
		return u.rarBroken("", err)
	}
	for {
		h, err := z.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return u.rarBroken("", err)
		}
		if err := u.rarEntry(h, z); err != nil {
			return u.rarBroken(h.Name, err)
		}
	}
}

func (u *unpacker) rarEntry(h *rardecode.FileHeader, body io.Reader) error {
	if err := u.count(h.Name); err != nil {
		return err
	}
	const kind, regular, folder = 0xf000, 0x8000, 0x4000 // of Unix
	unix := h.Attributes & kind
	switch {
	case h.LinkType != 0 || h.Mode()&fs.ModeSymlink != 0:
		return refuse(Link, h.Name, "is a link")
	case h.IsDir:
		return u.folder(h.Name)
	case h.HostOS == rardecode.HostOSUnix && unix != 0 && unix != regular && unix != folder:
		return refuse(Special, h.Name, "is neither file nor folder")
	case h.Encrypted || h.HeaderEncrypted:
		return refuse(Encrypted, h.Name, "needs a password")
	case h.UnKnownSize:
		return refuse(Unsupported, h.Name, "does not say how many bytes it has")
	}
	return u.file(h.Name, h.UnPackedSize, body)
}

// rarBroken sorts an error of the reader. One that has a reason, or is of what is written to, stays as it is.
func (u *unpacker) rarBroken(name string, err error) error {
	if _, ok := errors.AsType[*Error](err); ok || u.ctx.Err() != nil {
		return err
	}
	for reason, errs := range map[Reason][]error{
		Truncated:   {io.ErrUnexpectedEOF, rardecode.ErrUnexpectedArcEnd, rardecode.ErrDecoderOutOfData},
		WrongSize:   {rardecode.ErrBadFileChecksum, rardecode.ErrShortFile},
		TooLarge:    {rardecode.ErrDictionaryTooLarge},
		Unsupported: {rardecode.ErrMultiVolume, rardecode.ErrUnknownVersion, rardecode.ErrUnknownDecoder, rardecode.ErrUnsupportedDecoder},
		Encrypted:   {rardecode.ErrArchiveEncrypted, rardecode.ErrArchivedFileEncrypted, rardecode.ErrBadPassword},
		BadFormat: {
			rardecode.ErrCorruptBlockHeader, rardecode.ErrCorruptFileHeader, rardecode.ErrBadHeaderCRC, rardecode.ErrBadBlockHeader, rardecode.ErrNoArchiveBlock, rardecode.ErrBadVolumeNumber,
			rardecode.ErrInvalidFileBlock, rardecode.ErrInvalidHeaderOff, rardecode.ErrCorruptEncryptData, rardecode.ErrUnknownEncryptMethod, rardecode.ErrPlatformIntSize,
			rardecode.ErrUnknownFilter, rardecode.ErrCorruptDecodeHeader, rardecode.ErrTooManyFilters, rardecode.ErrInvalidFilter, rardecode.ErrMultipleDecoders,
			rardecode.ErrHuffDecodeFailed, rardecode.ErrInvalidLengthTable, rardecode.ErrCorruptPPM, rardecode.ErrInvalidVMInstruction, rardecode.ErrVerMismatch, rardecode.ErrNoSig,
		},
	} {
		for _, e := range errs {
			if errors.Is(err, e) {
				return &Error{Reason: reason, Entry: name, Err: e}
			}
		}
	}
	return fmt.Errorf("unpack %q: %w", name, err)
}
